#!/bin/sh
# Usage: boot.sh CGROUP COMMAND [ARGUMENT...]
# Runs a command (systemd-nspawn) in a control group of its own. The systemd inside manages the whole group it starts
# in, so nodes that shared one would kill each other's services.
set -u
group=$1
shift

if [ -d /run/systemd/system ]; then
  exec systemd-run --quiet --scope --collect --property=Delegate=yes -- "$@"
fi

enter() {
  mkdir -p "$1" && echo 0 >"$1/cgroup.procs"
}

if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
  enter "/sys/fs/cgroup/ospatch-lab/$group" || exit 1
else
  for hierarchy in /sys/fs/cgroup/*/; do
    case $hierarchy in
      */cpuset/) ;; # a new cpuset has no processors and takes no process
      */systemd/ | */unified/) enter "${hierarchy}ospatch-lab/$group" || exit 1 ;;
      *) enter "${hierarchy}ospatch-lab/$group" 2>/dev/null ;;
    esac
  done
fi
exec "$@"
