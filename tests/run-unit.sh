#!/bin/sh
# Runs the unit-test programs named; shows only failures; the last line counts
# programs in the form that CI reads.
ulimit -c 0
passed=0 failed=0
for program in "$@"; do
	if output=$("$program" 2>&1); then
		passed=$((passed + 1))
	else
		failed=$((failed + 1))
		printf 'FAILED %s\n%s\n' "$program" "$output"
	fi
done
printf 'unit: %d passed, %d failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
