# ----------------------------------------------------------------------------------------- processes that are believed
#
# Everybody on a node chooses the names and arguments of their own processes, and a container its users. Reboot owners,
# other updaters and lock holders are believed only of root's own processes. All lists of processes go through xargs:
# they may be longer than the arguments of a program.

# is_roots PID: all its user ids are 0, unlike those of a setuid program, and it sees the users and processes of the
# node: a container only if it was given them.
is_roots() {
  grep -qs '^Uid:	0	0	0	0$' "/proc/$1/status" || return 1
  for space in user pid; do
    [ "$(readlink "/proc/$1/ns/$space")" = "$(readlink "/proc/1/ns/$space")" ] || return 1
  done
}

# is_roots_here PID: the same, on the file system of the node.
is_roots_here() {
  # shellcheck disable=SC3013
  is_roots "$1" && [ "/proc/$1/root" -ef / ]
}

has_roots_rights() { grep -qs '^Uid:	[0-9]*	0	' "/proc/$1/status"; }

# effective KIND: of the /proc/PID/status files on standard input those of processes with root's rights, or of others.
effective() {
  case $1 in
    root) xargs -r grep -ls '^Uid:	[0-9]*	0	' ;;
    *) xargs -r grep -ls '^Uid:	[0-9]*	[1-9]' ;;
  esac
}

# roots_named REGEX: the pids of root's processes with such a name.
roots_named() {
  for id in $(printf '%s\n' /proc/[0-9]*/comm | xargs -r grep -lsxE "$1" | sed 's/comm$/status/' | effective root | tr -cd '0-9\n'); do
    ! is_roots "$id" || echo "$id"
  done
}

# A reboot owner in a container: it has the processes of the node, to reach init, and a file system of its own.
kured_runs() {
  for id in $(roots_named kured); do
    case $(readlink "/proc/$id/exe") in */kured | */'kured (deleted)') return 0 ;; esac
  done
  return 1
}
