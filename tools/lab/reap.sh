#!/bin/sh
# Usage: reap.sh RUN_DIRECTORY
# Waits until its standard input ends, which it does however its owner dies, then removes everything of a lab run:
# containers, control groups, mounts, files. Safe to run twice.
set -u
trap '' INT HUP TERM
run=$1
id=$(basename "$run")
cat >/dev/null

# Containers and emulated machines. A container's first process goes before systemd-nspawn: alone, it would live on.
end_containers() {
  for dir in /proc/[0-9]*; do
    pid=${dir#/proc/}
    case $(cat "$dir/comm" 2>/dev/null) in systemd-nspawn | qemu-system-x86) ;; *) continue ;; esac
    tr '\0' ' ' 2>/dev/null <"$dir/cmdline" | grep -qF "$run/" || continue
    # One word per child; the list is empty once it has none.
    xargs -r kill -KILL <"$dir/task/$pid/children" 2>/dev/null
    kill -KILL "$pid" 2>/dev/null
  done
  for group in /sys/fs/cgroup/*/ospatch-lab/"$id"-* /sys/fs/cgroup/ospatch-lab/"$id"-*; do
    [ -d "$group" ] || continue
    find "$group" -name cgroup.procs -exec cat {} + 2>/dev/null | sort -u | while read -r pid; do
      [ "$pid" = 0 ] || kill -KILL "$pid" 2>/dev/null
    done
    find "$group" -depth -type d -exec rmdir {} + 2>/dev/null
  done
}

tries=0
while [ -d "$run" ] && [ "$tries" -lt 50 ]; do
  end_containers
  grep -F " $run/" /proc/self/mounts | cut -d' ' -f2 | sort -r | while read -r mount; do
    umount "$mount" 2>/dev/null
  done
  if ! grep -qF " $run/" /proc/self/mounts; then
    rm -rf --one-file-system "$run" && end_containers && exit 0
  fi
  tries=$((tries + 1))
  sleep 0.2
done
[ ! -d "$run" ]
