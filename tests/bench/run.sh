#!/bin/bash
# Runs the benchmarks; each prints its figures and writes
# build/bench/<name>.json. `run.sh --short`: a few seconds each, asserting
# correctness only (0 lost), never a figure.
set -eu
cd "$(dirname "$0")/../.."
mkdir -p build/bench
n=0
for program in tests/bench/bench_*.py tests/bench/bench_*.sh; do
	[ -e "$program" ] || continue
	case "$program" in
	*.py) build/venv/bin/python "$program" "$@" ;;
	*) "$program" "$@" ;;
	esac
	n=$((n + 1))
done
echo "bench: $n programs"
[ "$n" -gt 0 ]
