# ----------------------------------------------------------------------------------------------------- logs, clean-up

# jobs_by_age PATTERN [-r]: `time id` of the jobs, oldest first, or newest first with -r.
jobs_by_age() {
  if find / -maxdepth 0 -printf '' 2>/dev/null; then set -- "$1" "${2-}" -printf '%T@ %f\n'
  else set -- "$1" "${2-}" -exec stat -c '%Y %n' '{}' +; fi
  pattern=$1 order=n${2#-}
  shift 2
  find "$state_dir/runs" -mindepth 1 -maxdepth 1 -type d -name "$pattern" "$@" 2>/dev/null | sed 's| .*/| |' | sort "-$order"
}

verb_log() {
  wanted=$1
  valid_number "$2" || refuse bad-number
  if [ "$wanted" = last ]; then
    # Only jobs that have run: a later one may have been rejected.
    wanted=$(jobs_by_age '*' |
      while read -r _ name; do
        [ ! -e "$state_dir/runs/$name/log" ] || echo "${name%%-*}"
      done | tail -n 1)
    [ -n "$wanted" ] || { say log && return; }
  fi
  valid_token "$wanted" || refuse bad-token
  say log
  jobs_by_age "$wanted-*" |
    while read -r _ name; do
      printf '==> %s <==\n' "$name"
      cat "$state_dir/runs/$name/log" 2>/dev/null
    done | tail -c "$2"
}

# Only what a caller needs to wait for a node to come back: no package database, nothing slow.
verb_probe() {
  case $1 in '' | start) ;; *) refuse bad-verb ;; esac
  exec 3>&1
  read -r up _ </proc/uptime
  facts_until=$((${up%.*} + probe_limit))
  say facts
  echo "boot_id=$boot"
  system_state_facts
  reboot_progress
  [ -z "$1" ] || start_facts
  echo end
}

# Tests whether a job can be started, with one that does nothing.
start_facts() {
  (
    use_dirs || cannot_write
    refuse_unwritable
    alive
    [ $? -eq 1 ] || exit 0
    rm -f "$run_dir/probe"
    keep_self || cannot_write
    if has_systemd; then
      start_unit ospatch-probe.service _started
    else
      said=''
      can_detach || refuse no-systemd 69
      refuse_limits
      detach /bin/sh "$self" _started
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
  find "$state_dir/bin" -type f -name '.new.*' -mtime +1 -delete
}

# The same arguments as the sudo rule allows: tools other than sudo do not check them.
verb=${1-}
case $verb in
  facts | pending) most=1 ;;
  probe) most=2 ;;
  start | log | reboot) most=3 ;;
  poll) most=5 ;;
  _*) is_copy || refuse bad-verb ;;
  *) refuse bad-verb ;;
esac
if ! is_copy; then
  [ $# -le "$most" ] || refuse bad-arguments
  for argument in "$@"; do [ -n "$argument" ] || refuse bad-arguments; done
  clear_variables
  raise_limits
  check_self
fi
use_boot_identity
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
esac
