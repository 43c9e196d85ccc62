package main

import (
	"fmt"

	apps "k8s.io/api/apps/v1"
	autoscaling "k8s.io/api/autoscaling/v2"
	batch "k8s.io/api/batch/v1"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// status is what the handler makes of an object. It is trivial on purpose: the
// peer is measured for following the cluster, not for its verdict.
type status int

const (
	ready status = iota
	unready
	failed
	unknown // the object is not of the kind's type
	statusMax
)

func (s status) String() string {
	return [statusMax]string{"ready", "unready", "failed", "unknown"}[s]
}

type kind struct {
	name         string // as the watcher calls it
	resource     schema.GroupVersionResource
	onlyMetadata bool // followed by its metadata with --metadata
	status       func(object any) status
}

var kinds = []*kind{
	{"deployment", apps.SchemeGroupVersion.WithResource("deployments"), false,
		rule(func(o *apps.Deployment) status {
			return enough(o.Status.AvailableReplicas, wanted(o.Spec.Replicas))
		})},
	{"service", core.SchemeGroupVersion.WithResource("services"), false,
		rule(func(o *core.Service) status {
			return settled(o.Spec.Type != core.ServiceTypeLoadBalancer ||
				len(o.Status.LoadBalancer.Ingress) > 0)
		})},
	{"statefulset", apps.SchemeGroupVersion.WithResource("statefulsets"), false,
		rule(func(o *apps.StatefulSet) status {
			return enough(o.Status.ReadyReplicas, wanted(o.Spec.Replicas))
		})},
	{"daemonset", apps.SchemeGroupVersion.WithResource("daemonsets"), false,
		rule(func(o *apps.DaemonSet) status {
			return enough(o.Status.NumberReady, o.Status.DesiredNumberScheduled)
		})},
	{"job", batch.SchemeGroupVersion.WithResource("jobs"), false, rule(jobStatus)},
	{"cronjob", batch.SchemeGroupVersion.WithResource("cronjobs"), false,
		rule(func(o *batch.CronJob) status {
			return settled(len(o.Status.Active) == 0)
		})},
	{"ingress", networking.SchemeGroupVersion.WithResource("ingresses"), false,
		rule(func(o *networking.Ingress) status {
			return settled(len(o.Status.LoadBalancer.Ingress) > 0)
		})},
	{"configmap", core.SchemeGroupVersion.WithResource("configmaps"), true, exists},
	{"secret", core.SchemeGroupVersion.WithResource("secrets"), true, exists},
	{"pvc", core.SchemeGroupVersion.WithResource("persistentvolumeclaims"), false,
		rule(func(o *core.PersistentVolumeClaim) status {
			if o.Status.Phase == core.ClaimLost {
				return failed
			}
			return settled(o.Status.Phase == core.ClaimBound)
		})},
	{"pod", core.SchemeGroupVersion.WithResource("pods"), false, rule(podStatus)},
	{"replicaset", apps.SchemeGroupVersion.WithResource("replicasets"), false,
		rule(func(o *apps.ReplicaSet) status {
			return enough(o.Status.AvailableReplicas, wanted(o.Spec.Replicas))
		})},
	{"hpa", autoscaling.SchemeGroupVersion.WithResource("horizontalpodautoscalers"), false,
		rule(func(o *autoscaling.HorizontalPodAutoscaler) status {
			return settled(o.Status.CurrentReplicas == o.Status.DesiredReplicas)
		})},
	{"networkpolicy", networking.SchemeGroupVersion.WithResource("networkpolicies"), false,
		rule(func(*networking.NetworkPolicy) status { return ready })},
}

func kindNames() []string {
	names := make([]string, len(kinds))
	for i, k := range kinds {
		names[i] = k.name
	}
	return names
}

// kindsByName finds each of names once; an unknown or repeated one is an error.
func kindsByName(names []string) ([]*kind, error) {
	var found []*kind
	seen := map[string]bool{}
next:
	for _, name := range names {
		if seen[name] {
			return nil, fmt.Errorf("--kinds: %q is given twice", name)
		}
		seen[name] = true
		for _, k := range kinds {
			if k.name == name {
				found = append(found, k)
				continue next
			}
		}
		return nil, fmt.Errorf("--kinds: no kind %q", name)
	}
	return found, nil
}

// rule is the status of objects of type *T.
func rule[T any](of func(*T) status) func(any) status {
	return func(object any) status {
		typed, ok := object.(*T)
		if !ok {
			return unknown
		}
		return of(typed)
	}
}

// exists is the status of what has none, typed or as metadata.
func exists(any) status {
	return ready
}

func settled(yes bool) status {
	if yes {
		return ready
	}
	return unready
}

func enough(have, want int32) status {
	return settled(have >= want)
}

// wanted is the number of replicas; the API server's default is 1.
func wanted(replicas *int32) int32 {
	if replicas == nil {
		return 1
	}
	return *replicas
}

func jobStatus(o *batch.Job) status {
	for _, c := range o.Status.Conditions {
		if c.Status == core.ConditionTrue && c.Type == batch.JobFailed {
			return failed
		}
		if c.Status == core.ConditionTrue && c.Type == batch.JobComplete {
			return ready
		}
	}
	return unready
}

func podStatus(o *core.Pod) status {
	switch o.Status.Phase {
	case core.PodFailed:
		return failed
	case core.PodSucceeded:
		return ready
	}
	for _, c := range o.Status.Conditions {
		if c.Type == core.PodReady {
			return settled(c.Status == core.ConditionTrue)
		}
	}
	return unready
}
