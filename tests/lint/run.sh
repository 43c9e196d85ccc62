#!/bin/bash
# Every linter, on the whole tree. Needs the build of `make all tools unit`
# (link rules are read from the binaries).
set -u
cd "$(dirname "$0")/../.."
build=${BUILD:-build}
venv=build/venv/bin
failed=0

run() { # run NAME COMMAND...
	local name=$1 output
	shift
	if output=$("$@" 2>&1); then
		printf 'lint: %-11s ok\n' "$name"
	else
		printf 'lint: %-11s FAILED\n%s\n' "$name" "$output"
		failed=1
	fi
}

mapfile -t sources < <(git ls-files '*.c' | grep -v '^tests/fuzz/corpus/')
mapfile -t pages < <(git ls-files '*.5' '*.8')

# What make compiles with, for clang-tidy and cppcheck.
dependency_flags() {
	sed -n 's/^DEP_CFLAGS := //p' "$build"/flags-*.mk | head -n 1
}

# One clang-tidy per core over all C files; its own statistics are dropped.
tidy() {
	# shellcheck disable=SC2046  # a list of flags is meant
	printf '%s\0' "${sources[@]}" | xargs -0 -n 4 -P "$(nproc)" sh -c '
		flags=$1; shift
		# shellcheck disable=SC2086
		clang-tidy --quiet --warnings-as-errors="*" "$@" -- \
			-std=gnu17 -D_GNU_SOURCE -I. -Ilib -DSLUICE_VERSION=\"lint\" \
			-DSLUICE_LIBEXECDIR=\"/lint\" $flags 2>/dev/null
	' tidy "$(dependency_flags)"
}

run rules python3 tests/lint/lint.py
run documents python3 tests/lint/docs.py
run clang-tidy tidy
run cppcheck cppcheck --quiet --std=c11 --enable=warning,portability \
	--inline-suppr --error-exitcode=1 -j "$(nproc)" -I. -D_GNU_SOURCE \
	-DSLUICE_VERSION=\"lint\" -DSLUICE_LIBEXECDIR=\"/lint\" \
	--suppressions-list=tests/lint/cppcheck.supp \
	--include=tests/lint/cppcheck_macros.h \
	"${sources[@]}"
run codespell codespell --ignore-words=tests/lint/codespell.words \
	--skip='./tests/lint/codespell.words,./build*,./.git,*.sum,*package-lock.json,./LICENSE,./tests/fuzz/corpus'
run ruff "$venv/ruff" check --quiet tests
run ruff-format "$venv/ruff" format --quiet --check tests
[ "${#pages[@]}" -eq 0 ] || run mandoc mandoc -Tlint -Wstyle "${pages[@]}"
exit "$failed"
