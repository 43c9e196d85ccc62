#!/bin/sh
# The broker's benchmark; the C program beside this file drives it.
set -eu
build=${SLUICE_BUILD:-build}
mkdir -p "$build/bench"
exec "$build/bench/bench_broker" "$@"
