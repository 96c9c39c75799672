# --------------------------------------------------------------------------------------------- logs, reboot, clean-up

# jobs_by_age PATTERN [-r]: `time id` of the jobs, the oldest first, with -r last.
jobs_by_age() {
  if find / -maxdepth 0 -printf '' 2>/dev/null; then set -- "$1" "${2-}" -printf '%T@ %f\n'
  else set -- "$1" "${2-}" -exec stat -c '%Y %n' '{}' +; fi
  pattern=$1 order=n${2#-}
  shift 2
  find "$state_dir/runs" -mindepth 1 -maxdepth 1 -type d -name "$pattern" "$@" 2>/dev/null | sed 's| .*/| |' | sort "-$order"
}

verb_log() {
  wanted=$1
  if [ "$wanted" = last ]; then
    # Of those that have run: another one may have been turned away after it.
    wanted=$(jobs_by_age '*' |
      while read -r _ name; do
        [ ! -e "$state_dir/runs/$name/log" ] || echo "${name%%-*}"
      done | tail -n 1)
    [ -n "$wanted" ] || { say log && return; }
  fi
  valid_token "$wanted" || refuse bad-token
  valid_number "$2" || refuse bad-number
  say log
  jobs_by_age "$wanted-*" |
    while read -r _ name; do
      printf '==> %s <==\n' "$name"
      cat "$state_dir/runs/$name/log" 2>/dev/null
    done | tail -c "$2"
}

# Sets command to what reboots the node. Only root may have a say in what runs as root here.
use_reboot_command() {
  if has_systemd; then command='systemctl reboot'; else command=reboot; fi
  [ -n "$1" ] || return 0
  case $1 in .* | -* | *[!A-Za-z0-9_.-]*) refuse bad-command ;; esac
  [ ${#1} -le 64 ] || refuse bad-command
  command=$command_dir/$1
  [ -f "$command" ] && [ -x "$command" ] && [ ! -L "$command" ] || refuse bad-command
  for place in "$command" "$command_dir" "${command_dir%/*}"; do
    case $(stat -c '%u %A' "$place") in '0 '?????-??-?) ;; *) refuse bad-command ;; esac
  done
}

# Says who forbids a shutdown now (`systemd-inhibit --mode=block`), or fails. Before 257 systemd asks nobody when root
# reboots without a terminal.
reboot_inhibitor() {
  for place in /run/systemd/inhibit/*; do
    [ -f "$place" ] || continue
    i_what='' i_who='' i_why='' i_mode='' i_pid=''
    while IFS='=' read -r key value; do
      case $key in
        WHAT) i_what=$value ;; WHO) i_who=$value ;; WHY) i_why=$value ;; MODE) i_mode=$value ;; PID) i_pid=$value ;;
      esac
    done 2>/dev/null <"$place"
    case $i_mode:$i_what in block:*shutdown*) ;; *) continue ;; esac
    echo "$i_who (pid $i_pid) inhibits a shutdown: $i_why"
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
  mkdir -p "$run_dir"
  # What an earlier one has said is not about this one.
  rm -f "$run_dir/reboot.rc" "$run_dir/reboot.log"
  has_systemd || { reboot_detached "$1" "${2-}"; say "state=rebooting boot=$boot"; return; }
  # From a timer, so that this call ends before the connection does. A second request finds the unit, or the system on
  # its way down, and is a no-op.
  said=$(timeout -k 2 "$start_limit" systemd-run --quiet --collect --unit=ospatch-reboot --on-active=1 \
    --timer-property=AccuracySec=100ms --setenv=SYSTEMCTL_SKIP_AUTO_SOFT_REBOOT=1 "$(own_path)" _reboot "$1" "${2-}" 2>&1 >/dev/null) ||
    timeout "$systemd_limit" systemctl is-active --quiet ospatch-reboot.timer ospatch-reboot.service ||
    [ "$(timeout "$systemd_limit" systemctl is-system-running)" = stopping ] ||
    refuse_with reboot-failed "${said:-systemd-run does not answer}" 70
  say "state=rebooting boot=$boot"
}

# What the timer runs. How it ends stands in files, for somebody may have to be told why the node does not go down.
verb_reboot_now() {
  [ "$1" = "$boot" ] || return 0
  use_reboot_command "${2-}"
  has_systemd || sleep 1
  log=$run_dir/reboot.log
  : 2>/dev/null >"$log" || log=/dev/null
  if [ -z "${2-}" ] && inhibitor=$(reboot_inhibitor); then
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

# Only what a caller needs that waits for a node to come back: no package database, nothing that may take long.
verb_probe() {
  case $1 in '' | start) ;; *) refuse bad-verb ;; esac
  exec 3>&1
  read -r up _ </proc/uptime
  facts_until=$((${up%.*} + probe_limit))
  say facts
  echo "boot_id=$boot"
  system_state_facts
  if [ -s "$run_dir/reboot.rc" ]; then
    echo "reboot_rc=$(head -c 8 "$run_dir/reboot.rc")"
    head -c 2000 "$run_dir/reboot.log" 2>/dev/null | grep . | head -n 5 | sed 's/^/reboot_said=/'
  fi
  [ -z "$1" ] || start_facts
  echo end
}

# Whether a job could be started, by doing it with one that does nothing.
start_facts() {
  (
    mkdir -p "$state_dir/runs" "$state_dir/before" "$run_dir" || cannot_write
    refuse_unwritable
    alive
    [ $? -eq 1 ] || exit 0
    rm -f "$run_dir/probe"
    if has_systemd; then
      start_unit ospatch-probe.service _started
    else
      said=''
      can_detach || refuse no-systemd 69
      detach "$(own_path)" _started
    fi
    await "$run_dir/probe" && exit 0
    why_not_started
    refuse_with start-failed "$reason" 69
  ) | sed -n '1s/^ospatch [0-9]* state=error /start_error=/p; 2s/^/start_reason=/p'
}

collect_garbage() {
  [ -d "$state_dir/runs" ] || return 0
  running=$(holder)
  jobs_by_age '*' -r | tail -n "+$((keep_jobs + 1))" |
    while read -r _ name; do
      [ "$name" = "$running" ] || rm -rf "${state_dir:?}/runs/$name"
    done
  find "$state_dir/before" -type f -mtime +60 -delete
}

use_boot_identity
verb=${1-}
case $verb in
  facts) verb_facts ;;
  probe) verb_probe "${2-}" ;;
  pending) verb_pending ;;
  _pending) pending_now ;;
  start) use_job "${2-}" && verb_start "${3-}" ;;
  _verify) use_job "${OSPATCH_JOB-}" && verb_verify ;;
  _run) use_job "${2-}" && verb_run "${3-}" ;;
  _started) verb_started ;;
  _reboot) verb_reboot_now "${2-}" "${3-}" ;;
  poll)
    use_job "${2-}"
    valid_number "${3-}" && valid_number "${4-}" && valid_number "${5-}" || refuse bad-number
    [ "$(job_state)" != running ] || wait_for_end "$5"
    answer "$(job_state)" "$3" "$4"
    ;;
  log) verb_log "${2-}" "${3-}" ;;
  reboot) verb_reboot "${2-}" "${3-}" ;;
  gc) collect_garbage && say state=ok ;;
  *) refuse bad-verb ;;
esac
