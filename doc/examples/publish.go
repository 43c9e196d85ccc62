// publish URL JOB: the life of a job. SLUICE_TOKEN: where auth is jwt.
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"
)

var service, job = os.Args[1], os.Args[2]

// post repeats until it is answered: what was taken, and the answer lost, is not taken twice.
func post(path, contentType, body string, headers ...string) (int, string) {
	client := http.Client{Timeout: 20 * time.Second}
	for wait := 200 * time.Millisecond; wait < time.Minute; wait *= 2 {
		request, err := http.NewRequest(http.MethodPost, service+path, strings.NewReader(body))
		if err != nil {
			log.Fatal(err)
		}
		request.Header.Set("Content-Type", contentType)
		if token := os.Getenv("SLUICE_TOKEN"); token != "" {
			request.Header.Set("Authorization", "Bearer "+token)
		}
		for i := 0; i+1 < len(headers); i += 2 {
			request.Header.Set(headers[i], headers[i+1])
		}
		pause := wait
		answer, err := client.Do(request)
		if err == nil {
			text, err := io.ReadAll(answer.Body)
			answer.Body.Close()
			code := answer.StatusCode
			if err == nil && code < 500 && code != 408 && code != 425 && code != 429 {
				return code, string(text)
			}
			after, _ := strconv.Atoi(answer.Header.Get("Retry-After"))
			pause = max(pause, time.Duration(min(after, 60))*time.Second)
			log.Print(answer.Status)
		} else {
			log.Print(err)
		}
		time.Sleep(pause)
	}
	log.Fatal("no answer")
	return 0, ""
}

type event struct {
	StreamKey      string         `json:"stream_key"`
	EventType      string         `json:"event_type"`
	IdempotencyKey string         `json:"idempotency_key"`
	Data           map[string]any `json:"data"`
}

// publish takes one event or a batch: all or none of them.
func publish(events ...event) {
	var body bytes.Buffer
	lines := json.NewEncoder(&body)
	for _, e := range events {
		// With a key of its own an event can be repeated.
		e.StreamKey, e.IdempotencyKey = "job:"+job, job+"/"+e.IdempotencyKey
		e.Data["job_id"], e.Data["attempt"] = job, 1
		if err := lines.Encode(e); err != nil {
			log.Fatal(err)
		}
	}
	status, answer := post("/api/v1/events", "application/x-ndjson", body.String())
	if status != http.StatusAccepted {
		log.Fatal(answer)
	}
	fmt.Println(answer)
}

func main() {
	const state = "job.state_changed"
	publish(event{EventType: state, IdempotencyKey: "running",
		Data: map[string]any{"state": "running", "previous_state": nil}})
	publish(event{EventType: "job.progress", IdempotencyKey: "50", Data: map[string]any{"percent": 50}},
		event{EventType: "job.progress", IdempotencyKey: "100", Data: map[string]any{"percent": 100}})
	// Lines of the log, the first is number 1; 409: it has them already, or ended. A / in the job's
	// name is %2F here.
	status, answer := post("/api/v1/streams/job:"+url.PathEscape(job)+"/logs", "text/plain", "fetching\ndone",
		"X-Log-Offset", "1")
	if status != http.StatusAccepted && status != http.StatusConflict {
		log.Fatal(answer)
	}
	publish(event{EventType: state, IdempotencyKey: "succeeded",
		Data: map[string]any{"state": "succeeded", "previous_state": "running"}})
}
