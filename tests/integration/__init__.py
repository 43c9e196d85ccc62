"""Integration tests: real binaries."""
