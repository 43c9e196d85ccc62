#!/usr/bin/env bash
# Builds the real Kubernetes parts of the test bed (kube-apiserver, kube-controller-manager,
# kube-scheduler, etcd, kwok and kwok's stages) from their Go modules into
#   ${XDG_CACHE_HOME:-~/.cache}/sluice-testbed/<hash of the module's go.mod and go.sum>/
# What is there already is left alone, so a second call only looks.
#
#   build.sh            build what is absent, print the directories
#   build.sh --print    print "<module> <directory>" for each module, build nothing
#   build.sh --check    exit 0 when everything is there, 1 otherwise; build nothing
#   build.sh --go       print a Go command that is new enough; taken from PyPI where there is none
#
# go.sh beside this file has the environment and how a Go program is built.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
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
# shellcheck source=tests/cluster/go.sh
. "$here/go.sh"

# Fills dir_of: the directory of each module.
find_directories() {
	local module
	for module in "${modules[@]}"; do
		dir_of[$module]=$(directory_of "$here/$module/go.mod" "$here/$module/go.sum")
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
	local file=${dir_of[$1]}/$2
	fetch "$here/$1" "$3"
	begin_file "$file"
	if [[ $2 == stages.yaml ]]; then
		write_stages "$new_file"
	else
		compile "$here/$1" "$3" "$(linker_flags "$3")"
	fi
	end_file "$file"
}

# Builds every absent part, one after the other; a second builder waits for the first.
build() {
	local missing count=0 part module name package begin
	lock_cache
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
	find_directories
	case ${1:-} in
	--print) print_directories ;;
	--check) [[ -z $(absent) ]] ;;
	--go)
		lock_cache
		find_go
		printf '%s\n' "$go"
		;;
	'')
		if [[ -n $(absent) ]]; then
			build
		fi
		print_directories
		;;
	*) die "unknown argument $1" "call build.sh, build.sh --print, --check or --go" ;;
	esac
}

main "$@"
