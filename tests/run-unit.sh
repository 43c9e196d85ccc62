#!/bin/sh
# Runs the unit-test programs named, several at a time since some mostly wait;
# shows only failures, each whole; the last line counts programs in the form
# that CI reads. Environment: JOBS (three for each core).
ulimit -c 0
said=$(mktemp -d /tmp/sluice-unit-XXXXXX) || exit 1
trap 'rm -rf "$said"' EXIT
trap 'exit 1' INT TERM
# What a program says is a file as long as it runs, and stays if it failed.
printf '%s\0' "$@" | xargs -0 -n 1 -P "${JOBS:-$((3 * $(nproc)))}" sh -c '
	name=$(basename "$1")
	if "$1" >"$0/$name.log" 2>&1; then
		rm "$0/$name.log"
		: >"$0/$name.passed"
	fi' "$said"
passed=0 failed=0
for program in "$@"; do
	name=$said/$(basename "$program")
	if [ -e "$name.passed" ]; then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		printf 'FAILED %s\n' "$program"
		cat "$name.log"
	fi
done
printf 'unit: %d passed, %d failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
