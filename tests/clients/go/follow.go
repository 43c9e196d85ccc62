// follow URL: writes [event, id, data] for each event of the stream at URL.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/tmaxmax/go-sse"
)

func main() {
	request, err := http.NewRequestWithContext(context.Background(), http.MethodGet, os.Args[1], http.NoBody)
	if err != nil {
		fail(err)
	}
	client := sse.Client{
		HTTPClient:        http.DefaultClient,
		ResponseValidator: sse.DefaultValidator,
		// As often as it takes. How long it waits is the stream's word (retry).
		Backoff: sse.Backoff{InitialInterval: 100 * time.Millisecond, Multiplier: 1},
		OnRetry: func(err error, wait time.Duration) {
			fmt.Fprintf(os.Stderr, "retry in %v: %v\n", wait, err)
		},
	}
	connection := client.NewConnection(request)
	out := json.NewEncoder(os.Stdout)
	out.SetEscapeHTML(false)
	connection.SubscribeToAll(func(event sse.Event) {
		if err := out.Encode([]string{event.Type, event.LastEventID, event.Data}); err != nil {
			fail(err)
		}
	})
	fail(connection.Connect())
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "follow:", err)
	os.Exit(1)
}
