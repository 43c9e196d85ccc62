#!/bin/bash
# Runs the test layers (tests/README.md). `check.sh fast`: unit tests and the
# integration tests on the simulator. `check.sh unit`, `check.sh integration`:
# this layer, of the release build only. `check.sh all`: everything, in every
# build. The last line is "N passed, N failed" over all of them; before it
# stands what failed and why, a few lines each. All logs are in build/reports.
set -u
cd "$(dirname "$0")/.."
mode=$1
ulimit -c 0
export LC_ALL=C.UTF-8
jobs=$(nproc)
reports=build/reports
rm -rf "$reports"
mkdir -p "$reports"
failures=$reports/failures.txt
: >"$failures"
passed=0
failed=0

# failure NAME: what standard input says of it (its last lines) is told at the
# end.
failure() {
	printf 'FAILED %s: all of it is in %s\n' "$1" "$reports/$1.log"
	tail -n 13 | cut -c 1-200 | sed 's/^/    /'
} >>"$failures"

# stage NAME COMMAND...: one thing that passes or fails as a whole.
stage() {
	local name=$1 begin=$SECONDS
	shift
	if "$@" >"$reports/$name.log" 2>&1; then
		passed=$((passed + 1))
		printf '%-28s ok      %4d s\n' "$name" $((SECONDS - begin))
	else
		failed=$((failed + 1))
		printf '%-28s FAILED  %4d s\n' "$name" $((SECONDS - begin))
		tail -n 200 "$reports/$name.log"
		grep -v ' ok *$' "$reports/$name.log" | failure "$name"
	fi
}

# What compilers, cmocka and sanitizers write where something is wrong.
wrong='^FAILED |^\[ +(ERROR|LINE|FAILED) +\]|: (fatal )?error: |: runtime error: '
wrong+='|ERROR: |SUMMARY: |\*\*\* |undefined reference|Assertion '

# units NAME BUILD VARIABLES...: the unit-test programs of one build.
units() {
	local name=$1 build=$2 begin=$SECONDS line
	shift 2
	if ! make -j"$jobs" BUILD="$build" "$@" all tools unit \
		>"$reports/$name.log" 2>&1; then
		grep -vE '^ +(CC|LD) ' "$reports/$name.log" | tail -n 200
	fi
	line=$(grep '^unit: ' "$reports/$name.log" | tail -n 1)
	[[ $line == *", 0 failed" ]] ||
		grep -E "$wrong" "$reports/$name.log" | failure "$name"
	count "$name" "$(sed -n 's/unit: \([0-9]*\) passed.*/\1/p' <<<"$line")" \
		"$(sed -n 's/.*, \([0-9]*\) failed/\1/p' <<<"$line")" \
		$((SECONDS - begin))
}

# pytests NAME BUILD ARGUMENTS...: the Python tests against one build.
pytests() {
	local name=$1 build=$2 begin=$SECONDS said
	shift 2
	SLUICE_BUILD=$build PYTHONDONTWRITEBYTECODE=1 \
		SLUICE_REPORTS=$PWD/$reports/$name \
		build/venv/bin/python -m pytest -q -p no:cacheprovider \
		--junitxml="$reports/$name.xml" "$@" \
		>"$reports/$name.log" 2>&1
	local status=$?
	said=$(python3 tests/junit.py "$name" "$reports/$name.xml") ||
		said="0 1"
	# shellcheck disable=SC2086  # two numbers are meant
	set -- ${said%%$'\n'*}
	if [ "$status" -ne 0 ] || [ "$2" -gt 0 ]; then
		tail -n 200 "$reports/$name.log"
		tail -n +2 <<<"$said" >>"$failures"
		[ "$2" -eq 0 ] || printf '    all of it: %s, logs in %s/\n' \
			"$reports/$name.log" "$reports/$name" >>"$failures"
		[ "$2" -gt 0 ] || tail "$reports/$name.log" | failure "$name"
		[ "$2" -gt 0 ] || set -- "$1" 1
	fi
	count "$name" "$1" "$2" $((SECONDS - begin))
}

# side_by_side NAME BUILD AT_A_TIME MARKS: the integration tests of these marks,
# several at a time, because they mostly wait. Those that measure time or load
# (release_only) have the machine for themselves.
side_by_side() {
	pytests "$1" "$2" -n "$3" --dist loadgroup -m "$4" tests/integration
}

# count NAME PASSED FAILED SECONDS: a run in which nothing ran has failed.
count() {
	local good=${2:-0} bad=${3:-1}
	[ "$good" -gt 0 ] || [ "$bad" -gt 0 ] || bad=1
	passed=$((passed + good))
	failed=$((failed + bad))
	printf '%-28s %4d passed, %d failed  %4d s\n' "$1" "$good" "$bad" "$4"
}

sanitized() { # environment of a sanitizer run
	export SLUICE_SANITIZED=1
	export ASAN_OPTIONS=abort_on_error=0:detect_leaks=1
	export UBSAN_OPTIONS=print_stacktrace=1
	export TSAN_OPTIONS=suppressions=$PWD/tests/tsan.supp:second_deadlock_stack=1
	export LSAN_OPTIONS=suppressions=$PWD/tests/lsan.supp:print_suppressions=0
}

[ "$mode" = integration ] || units unit build
if [ "$mode" = integration ]; then
	side_by_side integration build $((2 * jobs)) 'not release_only'
	pytests alone build -m release_only tests/integration
	pytests chaos build -n $((2 * jobs)) tests/chaos
elif [ "$mode" = fast ]; then
	side_by_side integration build $((3 * jobs)) \
		'not slow and not cluster and not mongo and not release_only'
elif [ "$mode" = all ]; then
	stage lint tests/lint/run.sh
	stage clang make -j"$jobs" CC=clang BUILD=build/clang \
		all tools unit-programs
	side_by_side integration build $((2 * jobs)) 'not release_only'
	pytests alone build -m release_only tests/integration
	pytests chaos build -n $((2 * jobs)) tests/chaos
	pytests bed build tests/bed/selftest
	stage bench tests/bench/run.sh --short
	stage fuzz tests/fuzz/run.sh --short
	(
		sanitized
		units unit-asan build/asan SAN=address,undefined
		side_by_side integration-asan build/asan $((2 * jobs)) \
			'not release_only and not systemd'
		units unit-tsan build/tsan SAN=thread
		side_by_side threads-tsan build/tsan "$jobs" threads
		echo "$passed $failed" >"$reports/sanitized"
	)
	read -r passed failed <"$reports/sanitized"
fi
echo
cat "$failures"
printf '%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
