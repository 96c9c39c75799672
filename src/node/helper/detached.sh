# ------------------------------------------------------------------------------------------------------ without systemd
#
# Without systemd, a job is a session of its own. The lock is the mutex; a job whose wrapper was killed is identified
# by the rest of its session. flock and find are those of busybox: no -w, no -printf.

has_systemd() { [ -d /run/systemd/system ]; }

can_detach() {
  use_manager
  [ "$driver" = apk ] || return 1
  for tool in setsid flock timeout; do command -v "$tool" >/dev/null 2>&1 || return 1; done
}

# With the environment that systemd would give it: no variable and no descriptor of the caller.
detach() {
  (
    exec 8<&-
    exec env -i PATH="$PATH" LC_ALL=C HOME=/root setsid "$@"
  ) </dev/null >/dev/null 2>&1 &
}

# A limit of the caller would end a package manager in the middle of its work.
# shellcheck disable=SC3045
refuse_limits() {
  for limit in f t; do
    left=$(ulimit "-$limit")
    [ "$left" = unlimited ] || refuse_with start-failed "root's session has a limit that cannot be raised: ulimit -$limit $left" 69
  done
}

# read_process PID: sets p_state, p_session and p_begun (ticks since the boot).
read_process() {
  read -r text 2>/dev/null <"/proc/$1/stat" || return 1
  # The name is in parentheses and may contain anything, including a line feed.
  case $text in *') '*) ;; *) text=$(cat "/proc/$1/stat" 2>/dev/null) ;; esac
  # shellcheck disable=SC2086
  set -- ${text##*) }
  [ $# -ge 20 ] || return 1
  p_state=$1 p_session=$4
  shift 19
  p_begun=$1
}

# For the last started job without an exit code: 0 = a process of it is alive, 1 = proven dead, 2 = unknown.
session_alive() {
  [ -e "$state_dir/session" ] || return 1
  s_boot='' s_id='' s_begun=''
  read -r s_boot s_id s_begun <"$state_dir/session" || return 2
  [ "$s_boot" = "$boot" ] || return 1
  valid_number "$s_id" && valid_number "$s_begun" || return 2
  # Scanning all processes takes a moment, in which one may be replaced by another.
  job_at_work || job_at_work
}

# The last started job, whatever its end.
session_processes() {
  for record in "$state_dir/session" "$state_dir/session.ended"; do
    s_boot='' s_id='' s_begun=''
    read -r s_boot s_id s_begun 2>/dev/null <"$record" || continue
    [ "$s_boot" = "$boot" ] && valid_number "$s_id" && valid_number "$s_begun" || continue
    # A session id is reused only when nothing is left of the session.
    if read_process "$s_id" && [ "$p_begun" != "$s_begun" ]; then continue; fi
    for place in /proc/[0-9]*; do
      read_process "${place#/proc/}" && [ "$p_session" = "$s_id" ] || continue
      case $p_state in Z | X) ;; *) echo "${place#/proc/}" ;; esac
    done
  done
}

# Takes the lock on file descriptor 9 for the wrapper, which leads the session.
take_detached_lock() {
  tries=0
  until flock -n 9; do
    tries=$((tries + 1))
    [ "$tries" -lt 100 ] || return 1
    sleep 0.05
  done
  [ ! -d "$dir/started" ] || return 1
  session_alive
  [ $? -eq 1 ] || return 1
  read_process $$ && [ "$p_session" = $$ ] || return 1
  echo "$boot $$ $p_begun" >"$state_dir/session.new" && sync "$state_dir/session.new" 2>/dev/null
  mv "$state_dir/session.new" "$state_dir/session"
}

# The package manager has ended with an exit code; a service started by its scripts may remain.
forget_session() { mv "$state_dir/session" "$state_dir/session.ended"; }

# A second request finds the lock taken.
reboot_detached() {
  command -v "${command%% *}" >/dev/null 2>&1 || refuse_with reboot-failed "${command%% *} is missing" 70
  detach flock -n "$run_dir/reboot.lock" /bin/sh "$self" _reboot "$1" "$2"
}

container_of_init() { tr '\0' '\n' 2>/dev/null </proc/1/environ | sed -n 's/^container=\([a-z-]*\)$/\1/p'; }

# The same data as unit_facts, from OpenRC; services known only to another init system are not visible.
openrc_facts() {
  openrc_state
  echo "system_state=$system_state"
  for name in $failed; do echo "failed_unit=$name"; done
  ! kured_runs || echo 'reboot_owner=kured'
  roots_named 'kubelet|k3s|k3s-server|k3s-agent|rke2|k0s' | while read -r id; do
    read -r name 2>/dev/null <"/proc/$id/comm" && echo "kubernetes_agent=$name"
  done | sort -u
}

# Sets failed and system_state.
openrc_state() {
  failed=$({ ask rc-status 5 rc-status --crashed; ls /run/openrc/failed; } 2>/dev/null | awk '{ print $1 }' | grep -E '^[A-Za-z0-9._-]+$' | sort -u)
  system_state=running
  [ -z "$failed" ] || system_state=degraded
  level=''
  read -r level 2>/dev/null </run/openrc/softlevel
  case $level in sysinit | boot) system_state=starting ;; shutdown | reboot) system_state=stopping ;; esac
  [ ! -e /run/openrc/rc.starting ] || system_state=starting
  [ ! -e /run/openrc/rc.stopping ] || system_state=stopping
}
