// subscribe URL KEY: follows a stream to its end. SLUICE_TOKEN: where auth is jwt.
package main

import (
	"bufio"
	"context"
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

// A heartbeat comes every 15 s: who is silent so long is gone.
const silence = time.Minute

var (
	address = os.Args[1] + "/api/v1/streams?stream=" + url.QueryEscape(os.Args[2])
	cursor  string
	retry   = 3 * time.Second
)

// take takes a frame that came whole; true when the stream has ended.
func take(frame map[string]string) bool {
	if id := frame["id"]; id != "" {
		cursor = id
	}
	if ms, err := strconv.Atoi(frame["retry"]); err == nil {
		retry = time.Duration(ms) * time.Millisecond
	}
	if name := frame["event"]; name != "" && name != "stream.open" && name != "heartbeat" {
		fmt.Println(name, frame["id"], frame["data"])
	}
	return frame["event"] == "stream.end"
}

// follow reads one connection until it is cut; true when the stream has ended.
func follow() (bool, error) {
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	watch := time.AfterFunc(silence, cancel)
	defer watch.Stop()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, address, http.NoBody)
	if err != nil {
		log.Fatal(err)
	}
	if cursor != "" {
		request.Header.Set("Last-Event-ID", cursor)
	}
	if token := os.Getenv("SLUICE_TOKEN"); token != "" {
		request.Header.Set("Authorization", "Bearer "+token)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return false, err
	}
	defer answer.Body.Close()
	if answer.StatusCode == http.StatusNoContent {
		return true, nil
	}
	if answer.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(answer.Body)
		if answer.StatusCode < 500 {
			log.Fatalf("%s: %s", answer.Status, text)
		}
		return false, fmt.Errorf("%s: %s", answer.Status, text)
	}
	frame := map[string]string{}
	// A line is at most 60,000 bytes, and the Scanner's own limit 64 KiB.
	lines := bufio.NewScanner(answer.Body)
	for lines.Scan() {
		watch.Reset(silence)
		if line := lines.Text(); line != "" {
			name, value, _ := strings.Cut(line, ": ")
			frame[name] = value
			continue
		}
		if take(frame) {
			return true, nil
		}
		frame = map[string]string{}
	}
	return false, lines.Err()
}

func main() {
	for {
		ended, err := follow()
		if ended {
			return
		}
		log.Print("again: ", err)
		time.Sleep(retry)
	}
}
