package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
)

// usage is what this process has cost so far, as the kernel counts it.
type usage struct {
	CPU  float64 `json:"cpu_seconds"`    // user and system, all threads (getrusage)
	RSS  int64   `json:"rss_bytes"`      // VmRSS of /proc/self/status
	Peak int64   `json:"peak_rss_bytes"` // VmHWM of the same
}

func readUsage() (usage, error) {
	var u usage
	var r syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &r); err != nil {
		return u, fmt.Errorf("getrusage: %w", err)
	}
	u.CPU = float64(microseconds(r.Utime)+microseconds(r.Stime)) / 1e6
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return u, err
	}
	if u.RSS, err = statusBytes(string(status), "VmRSS"); err != nil {
		return u, err
	}
	u.Peak, err = statusBytes(string(status), "VmHWM")
	return u, err
}

func microseconds(t syscall.Timeval) int64 {
	return int64(t.Sec)*1e6 + int64(t.Usec)
}

// statusBytes is the value of field in the text of /proc/PID/status, in bytes.
func statusBytes(text, field string) (int64, error) {
	for line := range strings.Lines(text) {
		words := strings.Fields(line)
		if len(words) == 3 && words[0] == field+":" && words[2] == "kB" {
			n, err := strconv.ParseInt(words[1], 10, 64)
			return n * 1024, err
		}
	}
	return 0, fmt.Errorf("/proc/self/status has no %s in kB", field)
}
