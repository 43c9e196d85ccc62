#!/usr/bin/env bash
# Makes the clients of event streams (README.md) whose libraries come from npm, Maven Central and the
# Go proxy, into
#   ${XDG_CACHE_HOME:-~/.cache}/sluice-testbed/<hash of what it is built from>/
# What is there already is left alone, so a second call only looks.
#
#   build.sh            make what is absent
#   build.sh --print    print "<client> <directory>" for each, make nothing
#
# tests/cluster/go.sh has the environment, and how a Go program is built. Node and npm are those of
# the venv; Java is Debian's.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
maven=https://repo1.maven.org/maven2
# shellcheck source=tests/cluster/go.sh
. "$here/../cluster/go.sh"
clients=(node java go)
# What there is when a client is whole, and is written last.
declare -A whole=([node]=whole [java]=whole [go]=follow) dir_of=()

find_directories() {
	dir_of[node]=$(directory_of "$here"/node/*)
	dir_of[java]=$(directory_of "$here"/java/*)
	dir_of[go]=$(directory_of "$here/go/go.mod" "$here/go/go.sum" "$here"/go/*.go)
}

# absent: the clients that are not there yet, one a line.
absent() {
	local client
	for client in "${clients[@]}"; do
		[[ -e ${dir_of[$client]}/${whole[$client]} ]] || printf '%s\n' "$client"
	done
}

# make_node DIRECTORY: what package-lock.json names, and its check sums hold.
make_node() {
	local npm=$venv/bin/npm
	[[ -x $npm ]] || die "there is no $npm" "setup/setup.sh check, which makes that venv"
	cp -- "$here"/node/* "$1"
	(cd "$1" && PATH=$venv/bin:$PATH "$npm" ci --no-audit --no-fund --ignore-scripts \
		--loglevel=error >&2) || die "npm cannot install what $here/node/package-lock.json names" \
		"make the npm registry reachable (npm config get registry)"
}

# make_java DIRECTORY: the jars of jars.sha256, and the program.
make_java() {
	local sum path
	while read -r sum path; do
		curl --silent --show-error --fail --location --retry 3 -o "$1/${path##*/}" "$maven/$path" ||
			die "$maven/$path cannot be had" "make Maven Central reachable"
		printf '%s  %s\n' "$sum" "$1/${path##*/}" | sha256sum --check --status ||
			die "$maven/$path is not what $here/java/jars.sha256 says" \
				"find out why before changing that file"
	done <"$here/java/jars.sha256"
	javac -Xlint:all -Werror -cp "$1/*" -d "$1" "$here/java/Follow.java" >&2 ||
		die "$here/java/Follow.java was not compiled" "apt-get install -y openjdk-17-jdk-headless"
}

# make_client CLIENT: in a directory that is made anew; that it is whole is noted last.
make_client() {
	local directory=${dir_of[$1]}
	if [[ $1 == go ]]; then
		find_go
		fetch "$here/go" .
		begin_file "$directory/follow"
		compile "$here/go" . '-s -w'
		end_file "$directory/follow"
		return
	fi
	rm -rf -- "$directory"
	mkdir -p "$directory"
	"make_$1" "$directory"
	: >"$directory/whole"
}

# The whole: look, make what is absent, one builder at a time.
main() {
	local client begin
	find_directories
	case ${1:-} in
	--print)
		for client in "${clients[@]}"; do
			printf '%s %s\n' "$client" "${dir_of[$client]}"
		done
		return
		;;
	'') ;;
	*) die "unknown argument $1" "call build.sh or build.sh --print" ;;
	esac
	[[ -n $(absent) ]] || return 0
	lock_cache
	for client in $(absent); do
		begin=$SECONDS
		say "$client client: making it"
		make_client "$client"
		say "$client client: done in $((SECONDS - begin)) s"
	done
}

main "$@"
