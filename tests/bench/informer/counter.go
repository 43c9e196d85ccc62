package main

import (
	"sync/atomic"

	"k8s.io/client-go/tools/cache"
)

// counter is all that stays of the objects: numbers. client-go calls the handlers
// of different kinds at the same time.
type counter struct {
	objects, events, initial atomic.Int64
	statuses                 [statusMax]atomic.Int64
}

// handler is the one handler, for objects of kind k.
func (c *counter) handler(k *kind) cache.ResourceEventHandler {
	return cache.ResourceEventHandlerDetailedFuncs{
		AddFunc: func(object any, first bool) {
			c.statuses[k.status(object)].Add(1)
			c.objects.Add(1)
			c.events.Add(1)
			if first {
				c.initial.Add(1)
			}
		},
		UpdateFunc: func(_, object any) {
			c.statuses[k.status(object)].Add(1)
			c.events.Add(1)
		},
		DeleteFunc: func(any) {
			c.objects.Add(-1)
			c.events.Add(1)
		},
	}
}

// fill puts the numbers into line.
func (c *counter) fill(line *report) {
	line.Objects = c.objects.Load()
	line.Events = c.events.Load()
	line.Initial = c.initial.Load()
	line.Statuses = map[string]int64{}
	for i := range c.statuses {
		line.Statuses[status(i).String()] = c.statuses[i].Load()
	}
}
