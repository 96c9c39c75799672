#!/bin/sh
# ospatch node helper: the only program ospatch runs on a node. Root only, nothing resident.
#
#   facts                           what this node is and how it is doing
#   pending <policy                 what a patch would change, from the package lists the node has; changes nothing
#   start JOB PHASE <parameters     run a phase once, detached; waits a little for its end
#   poll JOB OFFSET MAX WAIT        state of a job, its log from OFFSET, its result when it is done
#   log TOKEN|last MAX              the logs of one node patch, the newest MAX bytes
#   reboot BOOT-ID [COMMAND]        reboot, but only if the node still has this boot id; by systemd, or by the program
#                                   COMMAND that the administrator has placed in /etc/ospatch/commands
#   gc                              keep the newest 20 jobs
#
# A job id is TOKEN-PHASE-NUMBER and is executed at most once, ever. Two locks keep jobs apart: the unit name and a
# flock; where there is no systemd, the flock and the session of the job. Everything a job prints goes to its log and is
# data: only the first line of our own output is protocol.
#
# It travels and is checked as one file, put together of the parts that lie beside this one: job state and starting a
# job (core, detached), the policy and what all package managers share (packages), one part per family of them, facts,
# and the verbs (main).
#
# `A && B || refuse` is meant as written here: refuse when either fails.
# shellcheck disable=SC2015
set -u
umask 077
PATH=/usr/sbin:/usr/bin:/sbin:/bin
LC_ALL=C
export PATH LC_ALL

protocol=1
state_dir=/var/lib/ospatch
run_dir=/run/ospatch
command_dir=/etc/ospatch/commands
unit=ospatch-job.service
keep_jobs=20
max_result_bytes=2097152

# Exit codes of a phase that are ours; anything else comes from the package manager.
rc_plan_changed=90
rc_still_broken=91
rc_unsupported=92
rc_script_failed=93
rc_unplanned=94

read -r boot </proc/sys/kernel/random/boot_id

say() { printf 'ospatch %s %s\n' "$protocol" "$*"; }

refuse() {
  say "state=error why=$1"
  exit "${2:-64}"
}

# ---------------------------------------------------------------------------------------------------------- job state

valid_token() {
  [ ${#1} -eq 16 ] || return 1
  case $1 in *[!0-9a-f]*) return 1 ;; esac
}

valid_number() {
  case $1 in '' | *[!0-9]*) return 1 ;; esac
  [ ${#1} -le 12 ]
}

# Sets job, token, phase and dir.
use_job() {
  job=$1
  case $job in *-*-*) ;; *) refuse bad-job-id ;; esac
  token=${job%%-*}
  phase=${job#*-}
  number=${phase#*-}
  phase=${phase%%-*}
  valid_token "$token" || refuse bad-job-id
  case $phase in refresh | plan | apply | repair | restart) ;; *) refuse bad-phase ;; esac
  valid_number "$number" && [ ${#number} -le 6 ] || refuse bad-job-id
  dir=$state_dir/runs/$job
}

recorded_rc() { cat "$dir/rc" 2>/dev/null || cat "$run_dir/$job.rc" 2>/dev/null; }

lock_is_free() { [ ! -e "$state_dir/lock" ] || flock -n -s "$state_dir/lock" true; }

# 0 = something of ours is alive, 1 = proven dead, 2 = cannot tell.
alive() {
  lock_is_free || return 0
  if ! has_systemd; then session_alive; return; fi
  active=$(systemctl show -p ActiveState "$unit" 2>/dev/null) || return 2
  case $active in *=inactive | *=failed) ;; *=?*) return 0 ;; *) return 2 ;; esac
  # A killed wrapper leaves its package manager running in the unit's cgroup.
  for slice in /sys/fs/cgroup /sys/fs/cgroup/systemd /sys/fs/cgroup/unified; do
    [ -n "$(cat "$slice/system.slice/$unit/cgroup.procs" 2>/dev/null)" ] && return 0
  done
  return 1
}

holder() { cat "$run_dir/holder" 2>/dev/null; }

job_state() {
  [ -d "$dir" ] || { echo absent; return; }
  rc=$(recorded_rc)
  [ -n "$rc" ] && { echo "done rc=$rc"; return; }
  [ -d "$dir/started" ] || { echo claimed; return; }
  [ "$(cat "$dir/boot" 2>/dev/null)" = "$boot" ] || { echo lost-reboot; return; }
  alive
  case $? in
    0) if [ "$(holder)" = "$job" ]; then echo running; else echo lost-killed; fi ;;
    2) echo unknown ;;
    *)
      rc=$(recorded_rc)
      if [ -n "$rc" ]; then echo "done rc=$rc"; else echo lost-killed; fi
      ;;
  esac
}

# Waits at most $1 seconds for the end of what runs; the wrapper holds the lock until its exit code is written.
wait_for_end() {
  [ "$1" -gt 0 ] && [ -e "$state_dir/lock" ] || return 0
  if has_systemd; then flock -s -w "$1" "$state_dir/lock" true; else timeout "$1" flock -s "$state_dir/lock" true >/dev/null 2>&1; fi
}

# answer STATE OFFSET MAX: one header line, then exactly log= bytes of log, then exactly result= bytes of result.
answer() {
  size=0
  [ -f "$dir/log" ] && size=$(stat -c %s "$dir/log")
  log=$((size - $2))
  [ "$log" -lt 0 ] && log=0
  [ "$log" -gt "$3" ] && log=$3
  result=0 ended=0
  case $1 in
    done*)
      [ -f "$dir/result" ] && result=$(stat -c %s "$dir/result")
      # How long ago, by one and the same clock, so that it may be wrong.
      at=$(stat -c %Y "$dir/rc" 2>/dev/null || stat -c %Y "$run_dir/$job.rc" 2>/dev/null) && ended=$(($(date +%s) - at))
      [ "$ended" -ge 0 ] || ended=0
      ;;
  esac
  [ "$result" -le "$max_result_bytes" ] || refuse result-too-large
  say "state=$1 size=$size off=$2 log=$log result=$result ended=$ended boot=$boot"
  [ "$log" -eq 0 ] || tail -c "+$(($2 + 1))" "$dir/log" | head -c "$log"
  [ "$result" -eq 0 ] || cat "$dir/result"
}

# ------------------------------------------------------------------------------------------------------ starting a job

# Reads key=value lines up to the line `end`; a cut-off upload has no such line.
read_parameters() {
  expect='' refresh=no wait=20 max=65536 complete=no
  default_policy
  while IFS= read -r line; do
    value=${line#*=}
    case $line in
      end) complete=yes && break ;;
      expect=*) case $value in *[!0-9a-f]*) refuse bad-parameter ;; esac && [ ${#value} -eq 64 ] && expect=$value || refuse bad-parameter ;;
      refresh=yes | refresh=no) refresh=$value ;;
      wait=*) valid_number "$value" && [ "$value" -le 60 ] && wait=$value || refuse bad-parameter ;;
      max=*) valid_number "$value" && max=$value || refuse bad-parameter ;;
      *) take_policy "$line" || refuse bad-parameter ;;
    esac
  done
  [ "$complete" = yes ] || refuse short-upload 74
}

# sudo rules with a digest run this script through /dev/fd/N, which systemd cannot execute.
own_path() {
  case $0 in
    /usr/local/libexec/ospatch-node-*) echo "$0" ;;
    *) echo "/usr/local/libexec/ospatch-node-$(sha256sum "$0" | cut -c1-12)" ;;
  esac
}

# Refuses: nothing can be written to the state directory.
cannot_write() {
  for place in "$state_dir" "${state_dir%/*}"; do
    [ ! -e "$place" ] || [ -w "$place" ] || refuse read-only 73
  done
  refuse disk-full 73
}

verb_start() {
  [ "$phase" = "$1" ] || refuse bad-phase
  read_parameters
  has_systemd || can_detach || refuse no-systemd 69
  mkdir -p "$state_dir/runs" "$state_dir/before" "$run_dir" || cannot_write
  state=$(job_state)
  case $state in
    absent | claimed) launch ;;
    running) wait_for_end "$wait" ;;
  esac
  answer "$(job_state)" 0 "$max"
}

launch() {
  if [ ! -e "$dir/parameters" ]; then
    new=$(mktemp "$state_dir/new.XXXXXX") || cannot_write
    { printf 'expect=%s\nrefresh=%s\n' "$expect" "$refresh" && policy_lines; } >"$new" || { rm -f "$new"; cannot_write; }
    mkdir "$dir" 2>/dev/null
    # link(2) is atomic: of several uploads for one job the first wins.
    ln "$new" "$dir/parameters" 2>/dev/null
    rm -f "$new"
    [ -e "$dir/parameters" ] || cannot_write
  fi
  tries=0
  while alive; [ $? -ne 1 ]; do
    # A unit whose wrapper is gone needs some milliseconds to wind down; a running one keeps the lock.
    lock_is_free && [ "$tries" -lt 40 ] || { busy; return; }
    tries=$((tries + 1))
    sleep 0.05
  done
  if has_systemd; then
    systemd-run --quiet --collect --unit="$unit" --description="ospatch $job" -p RefuseManualStop=yes \
      -p KillMode=process -p TimeoutStopSec=900 "$(own_path)" _run "$job" >/dev/null 2>&1
  else
    detach "$(own_path)" _run "$job"
  fi
  tries=0
  until [ -d "$dir/started" ] || [ "$tries" -ge 100 ]; do
    tries=$((tries + 1))
    sleep 0.02
  done
  [ -d "$dir/started" ] || { busy; return; }
  wait_for_end "$wait"
}

# Another start of the same job may have won meanwhile; then its state is the answer.
busy() {
  state=$(job_state)
  case $state in
    absent | claimed) ;;
    *)
      wait_for_end "$wait"
      return
      ;;
  esac
  say "state=busy holder=$(holder) boot=$boot"
  exit 0
}

# The wrapper, inside the unit.
verb_run() {
  mkdir -p "$run_dir"
  exec 9>>"$state_dir/lock"
  # Probes take the lock shared for a moment.
  if has_systemd; then flock -w 5 9; else take_detached_lock; fi || exit 75
  [ -d "$dir/started" ] && exit 76
  echo "$boot" >"$dir/boot" && echo "$job" >"$run_dir/holder" && mkdir "$dir/started" || exit 73
  exec </dev/null >>"$dir/log" 2>&1
  # A reboot by somebody else waits for the package manager (TimeoutStopSec) instead of killing it.
  trap : TERM INT HUP
  # Services that package scripts start must not inherit the lock.
  (umask 022 && run_phase) 9>&- &
  child=$!
  while :; do
    wait "$child"
    rc=$?
    kill -0 "$child" 2>/dev/null || break
  done
  # The copy in memory survives a full disk.
  echo "$rc" >"$run_dir/$job.rc"
  echo "$rc" >"$dir/rc.new" && sync "$dir/rc.new" "$dir" 2>/dev/null
  mv "$dir/rc.new" "$dir/rc"
  [ ! -s "$dir/after" ] || mv "$dir/after" "$state_dir/before/$token"
  has_systemd || forget_session
}

run_phase() {
  export DEBIAN_FRONTEND=noninteractive DEBIAN_PRIORITY=critical APT_LISTCHANGES_FRONTEND=none \
    APT_LISTBUGS_FRONTEND=none UCF_FORCE_CONFFOLD=1 NEEDRESTART_MODE=l NEEDRESTART_SUSPEND=1 HOME=/root
  cd /
  load_parameters || return 64
  if [ "$phase" = restart ]; then restart_phase; return; fi
  use_manager
  [ -n "$driver" ] || return $rc_unsupported
  "${driver}_$phase"
}
