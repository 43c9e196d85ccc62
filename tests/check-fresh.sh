#!/bin/bash
# Does the README in a fresh Debian 12: a throw-away root made by mmdebstrap,
# with mounts, pids and /tmp of its own, in which `make run` must show an event
# and `make check` must pass. Needs root. Never touches the machine's own root.
set -eu
cd "$(dirname "$0")/.."
[ "$(id -u)" -eq 0 ] || { echo 'check-fresh: needs root' >&2; exit 1; }
command -v mmdebstrap >/dev/null ||
	{ apt-get update -qq && apt-get install -y -qq mmdebstrap >/dev/null; }
what=${1:-all}
root=$(mktemp -d /var/tmp/sluice-fresh-XXXXXX)
cleanup() {
	# The namespaces' mounts ended with their last process.
	rm -rf --one-file-system "$root"
}
trap cleanup EXIT

echo "check-fresh: making a minimal Debian 12 in $root"
mmdebstrap --quiet --variant=minbase --include=make,git,ca-certificates \
	bookworm "$root"
cp /etc/resolv.conf "$root/etc/resolv.conf"
# This machine's mirrors, proxies and certificate authorities, not its packages.
rm -f "$root/etc/apt/sources.list"
cp -r /etc/apt/. "$root/etc/apt/"
if [ -d /usr/local/share/ca-certificates ]; then
	cp -r /usr/local/share/ca-certificates "$root/usr/local/share/"
	chroot "$root" update-ca-certificates >/dev/null 2>&1
fi
for file in /etc/pip.conf "$HOME/.config/pip/pip.conf" "$HOME/.npmrc" \
	/etc/hosts; do
	[ ! -e "$file" ] || install -D "$file" "$root$file"
done
git clone -q --no-hardlinks . "$root/root/sluice"

cat >"$root/root/inside.sh" <<'E2'
set -eu
cd /root/sluice
begin=$(date +%s)
make run >/tmp/run.log 2>&1 &
run=$!
for i in $(seq 900); do
	grep -q 'open http' /tmp/run.log && break
	kill -0 $run || { cat /tmp/run.log; exit 1; }
	sleep 1
done
grep 'open http' /tmp/run.log
apt-get install -y -qq curl >/dev/null 2>&1
timeout 10 curl -sN 'http://127.0.0.1:8085/api/v1/streams?stream=resource:*&snapshot=0' \
	>/tmp/frames || true
grep -m1 'event: status_update' /tmp/frames
kill -TERM $run; wait $run || true
echo "check-fresh: make run: $(($(date +%s) - begin)) s to the end"
[ "$1" = run ] || make check
E2
# Proxy and registry settings of this machine, if it has any.
env=$(env | grep -iE '^(https?_proxy|no_proxy|goproxy|gosumdb|gonosumdb|goflags|pip_(index|extra|trusted|cert)|npm_config_(registry|cafile|https?_proxy)|ssl_cert_file|node_extra_ca_certs)' |
	tr '\n' ' ' || true)
# The root is pivoted into: tests that mount need "/" to be a mount point, which
# a chroot's is not. All of it in namespaces that end with the last process.
# shellcheck disable=SC2086  # a list of settings is meant
unshare --mount --pid --ipc --uts --fork --kill-child \
	sh -c "mount --make-rprivate / && mount --bind '$root' '$root' &&
	mount --rbind /dev '$root/dev' && mount -t proc proc '$root/proc' &&
	mount -t tmpfs tmpfs '$root/tmp' && cd '$root' && mkdir .machine &&
	pivot_root . .machine && cd / && umount -l /.machine &&
	rmdir /.machine && exec env -i HOME=/root \
	PATH=/usr/sbin:/usr/bin:/sbin:/bin LC_ALL=C.UTF-8 $env \
	bash /root/inside.sh $what"
