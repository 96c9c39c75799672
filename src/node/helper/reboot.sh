# ---------------------------------------------------------------------------------------------------------------- reboot

# Sets command to the program that reboots the node. Only root may control what runs as root.
use_reboot_command() {
  # -i: inhibitors are checked here, without those of users.
  if has_systemd; then command='systemctl reboot -i'; else command=reboot; fi
  [ -n "$1" ] || return 0
  case $1 in .* | -* | *[!A-Za-z0-9_.-]*) refuse bad-command ;; esac
  [ ${#1} -le 64 ] || refuse bad-command
  command=$command_dir/$1
  [ -f "$command" ] && [ -x "$command" ] && [ ! -L "$command" ] || refuse bad-command
  for place in "$command" "$command_dir" "${command_dir%/*}"; do
    case $(stat -c '%u %A' "$place") in '0 '?????-??-?) ;; *) refuse bad-command ;; esac
  done
}

# reboot_inhibitor MODE: prints who blocks (block) or delays (delay) a shutdown, or fails. systemd before 257 does not
# check inhibitors when root reboots without a terminal. A user of the node cannot block its reboot.
reboot_inhibitor() {
  i_does=inhibits
  [ "$1" = block ] || i_does=delays
  for place in /run/systemd/inhibit/*; do
    [ -f "$place" ] || continue
    i_what='' i_who='' i_why='' i_mode='' i_pid='' i_uid=''
    while IFS='=' read -r key value; do
      case $key in
        WHAT) i_what=$value ;; WHO) i_who=$value ;; WHY) i_why=$value ;; MODE) i_mode=$value ;; PID) i_pid=$value ;; UID) i_uid=$value ;;
      esac
    done 2>/dev/null <"$place"
    case $i_mode:$i_what in "$1":*shutdown*) ;; *) continue ;; esac
    [ "$1" != block ] || [ "$i_uid" = 0 ] || continue
    echo "$i_who (pid $i_pid) $i_does a shutdown: $i_why"
    return 0
  done
  return 1
}

verb_reboot() {
  case $1 in '' | *[!0-9a-f-]*) refuse bad-boot-id ;; esac
  [ "$1" = "$boot" ] || { say "state=rebooted boot=$boot" && return; }
  alive
  case $? in
    0) say "state=busy holder=$(holder) boot=$boot" && return ;;
    2) say "state=busy holder=unknown boot=$boot" && return ;;
  esac
  use_reboot_command "${2-}"
  use_dirs
  keep_self || refuse_with reboot-failed "the helper cannot be copied to $self" 70
  # The output of an earlier request is not about this one.
  rm -f "$run_dir/reboot.rc" "$run_dir/reboot.log"
  : 2>/dev/null >"$run_dir/reboot.asked"
  has_systemd || { reboot_detached "$1" "${2-}"; say "state=rebooting boot=$boot"; return; }
  # From a timer, so that this call ends before the connection does. A second request finds the unit, or a system that
  # is shutting down, and is a no-op.
  said=$(timeout -k 2 "$start_limit" systemd-run --quiet --collect --unit=ospatch-reboot --on-active=1 \
    --timer-property=AccuracySec=100ms --setenv=SYSTEMCTL_SKIP_AUTO_SOFT_REBOOT=1 /bin/sh "$self" _reboot "$1" "${2-}" 2>&1 >/dev/null) ||
    timeout "$systemd_limit" systemctl is-active --quiet ospatch-reboot.timer ospatch-reboot.service ||
    [ "$(timeout "$systemd_limit" systemctl is-system-running)" = stopping ] ||
    refuse_with reboot-failed "${said:-systemd-run does not answer}" 70
  say "state=rebooting boot=$boot"
}

# Run by the timer. Its result is stored in files, to report why the node does not shut down.
verb_reboot_now() {
  [ "$1" = "$boot" ] || return 0
  use_reboot_command "${2-}"
  has_systemd || sleep 1
  log=$run_dir/reboot.log
  : 2>/dev/null >"$log" || log=/dev/null
  if [ -z "${2-}" ] && inhibitor=$(reboot_inhibitor block); then
    echo "$inhibitor" >"$log"
    rc=1
  else
    # shellcheck disable=SC2086
    $command >"$log" 2>&1 </dev/null
    rc=$?
  fi
  echo "$rc" 2>/dev/null >"$run_dir/reboot.rc"
  return "$rc"
}

# ------------------------------------------------------------------------------------ progress of a requested reboot

# Result of the command (`reboot_rc`, `reboot_said`); state of the shutdown (`reboot_way`: stopping, delayed,
# scheduled, stuck, none, unknown), and what it waits for or what blocks it (`reboot_why`).
reboot_progress() {
  [ -e "$run_dir/reboot.asked" ] || [ -s "$run_dir/reboot.rc" ] || return 0
  if [ -s "$run_dir/reboot.rc" ]; then
    echo "reboot_rc=$(head -c 8 "$run_dir/reboot.rc")"
    head -c 2000 "$run_dir/reboot.log" 2>/dev/null | grep . | head -n 5 | sed 's/^/reboot_said=/'
  elif has_systemd; then reboot_never_ran
  fi
  way=none
  if has_systemd; then find_reboot_way
  else
    openrc_state
    [ "$system_state" != stopping ] || way=stopping
  fi
  echo "reboot_way=$way"
  [ "$way" != none ] || ! has_systemd || reboot_blockers
}

# The timer has fired, or could not, and nothing has started.
reboot_never_ran() {
  states=$(ask 'systemctl show' 3 systemctl show -p ActiveState ospatch-reboot.timer ospatch-reboot.service 2>/dev/null) || return
  case $states in *=[!if]*) return ;; *=inactive* | *=failed*) ;; *) return ;; esac
  said='' unit_name=ospatch-reboot.service
  why_not_started
  echo 'reboot_rc=never'
  echo "reboot_said=$reason"
}

# Sets way, and prints what the shutdown waits for.
find_reboot_way() {
  state=$(ask 'systemctl show' 3 systemctl show -p SystemState 2>/dev/null)
  state=${state#*=}
  jobs=$(ask 'systemctl list-jobs' 3 systemctl list-jobs --no-legend --no-pager 2>/dev/null) || { way=unknown && return; }
  jobs=$(printf '%s\n' "$jobs" | awk '$1 ~ /^[0-9]+$/ && $4 == "running" { print $2 " (" $3 ")" }' | head -n 5)
  case $state in
    stopping)
      way=stopping
      # All units have stopped, but the final step does not happen.
      [ -n "$jobs" ] || way=stuck
      ;;
    running | degraded | maintenance | starting | initializing) ;;
    *) way=unknown ;;
  esac
  if [ "$way" = none ] && [ -s /run/systemd/shutdown/scheduled ]; then
    at=$(sed -n 's/^USEC=\([0-9]*\)[0-9]\{6\}$/\1/p' /run/systemd/shutdown/scheduled)
    way=scheduled jobs="a shutdown that is scheduled${at:+ for $(date -u -d "@$at" '+%Y-%m-%d %H:%M:%S UTC')}"
  elif [ "$way" = none ] && ask busctl 3 busctl get-property org.freedesktop.login1 /org/freedesktop/login1 \
    org.freedesktop.login1.Manager PreparingForShutdown 2>/dev/null | grep -qx 'b true'; then
    way=delayed jobs=$(reboot_inhibitor delay)
  fi
  [ -z "$jobs" ] || printf '%s\n' "$jobs" | sed 's/^/reboot_why=/'
}

# Why a successful command may have had no effect.
reboot_blockers() {
  place=$(command -v systemctl)
  case $place in /usr/bin/systemctl | /bin/systemctl) ;; *) echo "reboot_why=systemctl is $place" ;; esac
  ask 'systemctl show' 3 systemctl show -p Id,LoadState,FragmentPath,DropInPaths reboot.target systemd-reboot.service 2>/dev/null |
    awk -F= '
      function tell() {
        if (state != "" && state != "loaded") print "reboot_why=" id " is " state
        else if (file ~ /^\/(etc|run)\//) print "reboot_why=" id " is replaced by " file
        if (state == "loaded" && dropins != "") print "reboot_why=" id " is changed by " dropins
        id = state = file = dropins = ""
      }
      $1 == "" { tell() }
      $1 == "Id" { id = $2 }
      $1 == "LoadState" { state = $2 }
      $1 == "FragmentPath" { file = $2 }
      $1 == "DropInPaths" { dropins = $2 }
      END { tell() }'
}
