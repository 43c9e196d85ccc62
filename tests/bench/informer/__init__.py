"""The peer of the watcher's benchmarks, in Go; README.md says what it is."""
