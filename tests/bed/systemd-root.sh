#!/bin/sh
# Turns a directory into a small Debian and becomes its systemd:
#   unshare --mount --pid --ipc --uts --net --fork --kill-child \
#       --propagation private tests/bed/systemd-root.sh DIRECTORY CGROUP
# The caller (systemd.py) has filled DIRECTORY/root: /etc, /var, /opt; and
# DIRECTORY/local, which becomes /usr/local. Everything else is the machine's
# own /usr, read-only. Refuses to run where it is not the first process of a pid
# namespace of its own: nothing here may happen to the machine itself.
set -eu

missing() {
	echo "systemd-root: $1" >&2
	exit 1
}

# Still the /proc of outside: there the first process is another.
[ $$ -eq 1 ] && [ "$(readlink /proc/self)" != 1 ] || {
	missing 'run it by unshare --mount --pid --fork, as systemd.py does'
}
directory=$1
cgroup=$2
root=$directory/root

if [ "${3:-}" != inside ]; then
	# A cgroup of its own, before it becomes the root of a cgroup namespace.
	mkdir "$directory/cgroup"
	mount -t cgroup2 cgroup2 "$directory/cgroup" ||
		missing 'no cgroup2: the kernel needs CONFIG_CGROUPS'
	mkdir "$directory/cgroup/$cgroup" && echo 0 \
		>"$directory/cgroup/$cgroup/cgroup.procs" ||
		missing "cgroup $cgroup cannot be made or joined: is this root?"
	umount "$directory/cgroup"
	exec unshare --cgroup "$0" "$directory" "$cgroup" inside
fi

mount --bind "$root" "$root"
cd "$root"
mkdir -p usr proc sys dev run tmp root machine
mount --bind /usr usr
mount -o remount,bind,ro usr
mount --bind "$directory/local" usr/local
for name in bin sbin lib lib32 lib64 libx32; do
	if [ -L "/$name" ]; then
		ln -s "$(readlink "/$name")" "$name"
	elif [ -d "/$name" ]; then
		mkdir "$name"
		mount --bind "/$name" "$name"
		mount -o remount,bind,ro "$name"
	fi
done
mount -t proc -o nosuid,nodev,noexec proc proc ||
	missing 'proc cannot be mounted in a pid namespace'
mount -t sysfs -o nosuid,nodev,noexec,ro sysfs sys ||
	missing 'sysfs cannot be mounted in a network namespace'
mount -t cgroup2 -o nosuid,nodev,noexec cgroup2 sys/fs/cgroup ||
	missing 'cgroup2 cannot be mounted in a cgroup namespace'
mount -t tmpfs -o nosuid,nodev,mode=755 tmpfs run
mount -t tmpfs -o nosuid,nodev,mode=1777 tmpfs tmp
mount -t tmpfs -o nosuid,mode=755 tmpfs dev
for node in null:3 zero:5 full:7 random:8 urandom:9; do
	mknod -m 666 "dev/${node%:*}" c 1 "${node#*:}" ||
		missing 'device nodes cannot be made: CAP_MKNOD is missing'
done
mknod -m 666 dev/tty c 5 0
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=666,mode=620 devpts dev/pts ||
	missing 'devpts cannot be mounted'
mount -t tmpfs -o nosuid,nodev,mode=1777 tmpfs dev/shm
ln -s pts/ptmx dev/ptmx
ln -s /proc/self/fd dev/fd

pivot_root . machine
cd /
umount -l /machine
rmdir /machine
exec env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin \
	container=sluice-bed LC_ALL=C.UTF-8 \
	/lib/systemd/systemd --system --unit=multi-user.target \
	--log-target=journal --show-status=no </dev/null
