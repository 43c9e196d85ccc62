#!/usr/bin/env bash
# Builds the benchmarks' peer, informer, as tests/cluster/build.sh builds the test bed: into
#   ${XDG_CACHE_HOME:-~/.cache}/sluice-testbed/<hash of its go.mod, go.sum and sources>/
# and prints its path. What is there already is left alone. tests/cluster/go.sh has the environment.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source=tests/cluster/go.sh
. "$here/../../cluster/go.sh"

# The whole: look, build when absent, print.
main() {
	local file begin=$SECONDS
	file=$(directory_of "$here/go.mod" "$here/go.sum" "$here"/*.go)/informer
	if [[ ! -s $file ]]; then
		lock_cache
	fi
	if [[ ! -s $file ]]; then
		find_go
		say "informer: building it with $("$go" version)"
		fetch "$here" .
		begin_file "$file"
		compile "$here" . '-s -w'
		end_file "$file"
		say "informer: done in $((SECONDS - begin)) s"
	fi
	printf '%s\n' "$file"
}

(($# == 0)) || die "unknown argument $1" "call build_informer.sh without any"
main
