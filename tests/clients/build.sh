#!/usr/bin/env bash
# Makes the clients of event streams (README.md) whose libraries come from npm, Maven Central and the
# Go proxy, into
#   ${XDG_CACHE_HOME:-~/.cache}/sluice-testbed/<hash of what it is built from>/
# What is there already is left alone, so a second call only looks.
#
#   build.sh            make what is absent; status 1 if one could not be made, the others are
#   build.sh --print    print "<client> <directory>" for each, make nothing
#
# tests/cluster/go.sh has the environment, and how a Go program is built. Node and npm are those of
# the venv; Java is Debian's.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
maven=https://repo1.maven.org/maven2
# shellcheck source=tests/cluster/go.sh
. "$here/../cluster/go.sh"
clients=(node asyncapi java go)
# What there is when a client is whole, and is written last.
declare -A whole=([node]=whole [asyncapi]=whole [java]=whole [go]=follow) dir_of=()

find_directories() {
	dir_of[node]=$(directory_of "$here"/node/*)
	dir_of[asyncapi]=$(directory_of "$here"/asyncapi/*)
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

# make_from_npm CLIENT DIRECTORY: what package-lock.json names, and its check sums hold.
make_from_npm() {
	local npm=$venv/bin/npm
	[[ -x $npm ]] || die "there is no $npm" "setup/setup.sh check, which makes that venv"
	cp -- "$here/$1"/* "$2"
	(cd "$2" && PATH=$venv/bin:$PATH "$npm" ci --no-audit --no-fund --ignore-scripts \
		--fetch-retries=5 --fetch-retry-mintimeout=2000 --loglevel=error >&2) ||
		die "npm cannot install what $here/$1/package-lock.json names" \
			"make the npm registry reachable (npm config get registry)"
}

# make_node DIRECTORY
make_node() {
	make_from_npm node "$1"
}

# make_asyncapi DIRECTORY
make_asyncapi() {
	make_from_npm asyncapi "$1"
}

# has_sum SUM FILE: is FILE there, and what SUM says?
has_sum() {
	[[ -f $2 ]] && printf '%s  %s\n' "$1" "$2" | sha256sum --check --status
}

# fetch_jar SUM PATH: PATH of Maven Central, into the cache under its sum: a next call has it.
fetch_jar() {
	local kept=$cache/jars/$1
	! has_sum "$1" "$kept" || return 0
	begin_file "$kept"
	curl --silent --show-error --fail --location --connect-timeout 20 --max-time 300 \
		--retry 5 --retry-all-errors --retry-max-time 120 -o "$new_file" "$maven/$2" ||
		die "$maven/$2 cannot be had" \
			"make Maven Central reachable and call $0 again; what was fetched is kept"
	has_sum "$1" "$new_file" || die "$maven/$2 is not what $here/java/jars.sha256 says" \
		"find out why before changing that file"
	end_file "$kept"
}

# make_java DIRECTORY: the jars of jars.sha256, and the program.
make_java() {
	local sum path
	while read -r sum path; do
		fetch_jar "$sum" "$path"
		cp -- "$cache/jars/$sum" "$1/${path##*/}"
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

# make_all: what is absent, one after the other; 1 if one was not made, which no other suffers by.
make_all() {
	local client begin status failed=0
	for client in $(absent); do
		begin=$SECONDS
		say "$client client: making it"
		# Not behind || or if: there, no error would end the subshell.
		set +e
		(
			set -e
			trap clean_up EXIT
			make_client "$client"
		)
		status=$?
		set -e
		if ((status == 0)); then
			say "$client client: done in $((SECONDS - begin)) s"
		else
			failed=1
		fi
	done
	return "$failed"
}

# The whole: look, make what is absent, one builder at a time.
main() {
	local client
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
	make_all
}

main "$@"
