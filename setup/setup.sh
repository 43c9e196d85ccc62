#!/bin/sh
# Installs what a fresh Debian 12 lacks: `setup.sh run` for building and
# running, `setup.sh check` for the tests too. Does nothing when all is there.
set -eu
cd "$(dirname "$0")/.."

build_packages='gcc make pkg-config ca-certificates libevent-dev
	libcurl4-openssl-dev libmongoc-dev libsqlite3-dev libjansson-dev
	libnanomsg-dev libyaml-dev libssl-dev libjose-dev
	libseccomp-dev zlib1g-dev libnghttp2-dev'
check_packages='clang clang-tidy clang-format libclang-rt-14-dev cppcheck
	codespell libcmocka-dev python3-venv chromium curl haproxy nginx
	libnginx-mod-nchan nats-server openjdk-17-jdk-headless openssl git
	procps util-linux iproute2 mandoc systemd'

packages=$build_packages
[ "$1" = check ] && packages="$build_packages $check_packages"

# quieten: the tests start a HAProxy, an nginx and a nats-server of their own, and
# what Debian starts on installing them (a service for all, at every boot) nobody
# asked for. Without systemd nothing starts what has no script in /etc/init.d.
quieten() {
	for daemon in haproxy nginx nats-server; do
		case "$missing " in
		*" $daemon "*) ;;
		*) continue ;;
		esac
		[ -x "/usr/sbin/$daemon" ] || continue
		if [ -e "/etc/init.d/$daemon" ] || [ -d /run/systemd/system ]
		then
			$as_root service "$daemon" stop >/dev/null
		fi
		$as_root systemctl --quiet disable "$daemon.service"
	done
}

missing=
# shellcheck disable=SC2086  # a list of words is meant
known=$(dpkg-query -W -f '${Package} ${db:Status-Abbrev}\n' $packages \
	2>/dev/null || true)
line='
'
for package in $packages; do
	case "$line$known" in
	*"$line$package ii"*) ;;
	*) missing="$missing $package" ;;
	esac
done

if [ -n "$missing" ]; then
	apt="apt-get install -y --no-install-recommends$missing"
	if [ "$(id -u)" -eq 0 ]; then
		as_root=
	elif command -v sudo >/dev/null 2>&1; then
		as_root=sudo
	else
		echo "setup: these packages are missing, and this is neither" \
			"root nor is there sudo. Run as root:" >&2
		echo "  apt-get update && $apt" >&2
		exit 1
	fi
	echo "setup: installing$missing"
	$as_root apt-get update -qq
	(
		trap quieten EXIT
		trap 'exit 1' HUP INT TERM
		# shellcheck disable=SC2086  # a list of words is meant
		$as_root env DEBIAN_FRONTEND=noninteractive $apt >/dev/null
	)
fi
[ "$1" = check ] || exit 0

# Python test packages: pinned, in a venv of Debian's own Python.
venv=build/venv
stamp=$venv/requirements.sha256
want=$(sha256sum <tests/requirements.txt)
if [ ! -e "$stamp" ] || [ "$(cat "$stamp")" != "$want" ]; then
	echo 'setup: installing the Python test packages into build/venv'
	mkdir -p build
	/usr/bin/python3 -m venv "$venv"
	"$venv/bin/pip" install --quiet --disable-pip-version-check \
		-r tests/requirements.txt
	echo "$want" >"$stamp"
fi

# The programs of doc/examples are compiled by the tests, and what is built below
# may be there already, from another tree.
SLUICE_VENV=$PWD/$venv tests/cluster/build.sh --go >/dev/null ||
	echo 'setup: there is no Go, the tests of examples in Go will fail' >&2

# The test cluster: kube-apiserver, etcd, controller manager, kwok.
SLUICE_VENV=$PWD/$venv tests/cluster/build.sh

# Clients of event streams, from npm, Maven Central and the Go proxy. A registry
# that is away costs the tests of its client, which say so, not all the others.
SLUICE_VENV=$PWD/$venv tests/clients/build.sh ||
	echo 'setup: a client of event streams is absent, its tests will fail' >&2
