#!/bin/sh
# ospatch node helper: the only program ospatch runs on a node. Root only, nothing resident.
#
#   facts                           the facts of this node
#   pending <policy                 what a patch would change, from the current package lists; changes nothing
#   start JOB PHASE <parameters     run a phase once, detached; waits briefly for its end
#   poll JOB OFFSET MAX WAIT        state of a job, its log from OFFSET, its result when it has ended
#   log TOKEN|last MAX              the logs of one node patch, the last MAX bytes
#   reboot BOOT-ID [COMMAND]        reboot, but only if the node still has this boot id; by systemd, or by the program
#                                   COMMAND that an administrator has installed in /etc/ospatch/commands
#   probe [start]                   boot id and system state only, after a reboot; `start` also tests whether a job
#                                   can be started
#
# A job id is TOKEN-PHASE-NUMBER and is executed at most once. Two locks keep jobs apart: the unit name and a
# flock; without systemd, the flock and the session of the job. All output of a job goes to its log and is
# data: only the first line of the helper's own output is protocol.
#
# The script is transferred and verified as one file, concatenated from the parts in this directory: job state and
# job start (core, detached), the policy and functions shared by all package managers (packages), one part per family,
# facts, and the verbs (main).
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

# Limits in seconds. Inner ones are shorter than outer ones; src/domain/node/time-limits.ts has the limits of the
# callers, and a test compares them.
systemd_limit=8   # one question to systemd
start_limit=15    # systemd accepts a unit
facts_limit=24    # all parts of `facts` together that may hang
probe_limit=10    # the parts of `probe` together
pending_limit=50  # `pending`

# Exit codes of the helper itself; all others come from the package manager.
rc_plan_changed=90
rc_still_broken=91
rc_unsupported=92
rc_script_failed=93
rc_unplanned=94
rc_locked=95
rc_not_applied=96
rc_unreadable=97

read -r boot </proc/sys/kernel/random/boot_id

# Set while facts are read: the deadline, in seconds since the boot.
facts_until=''

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
  # No leading zeros: arithmetic reads them as octal.
  case $1 in '' | *[!0-9]* | 0?*) return 1 ;; esac
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
  case $phase in plan | fetch | apply | repair | restart) ;; *) refuse bad-phase ;; esac
  valid_number "$number" && [ ${#number} -le 6 ] || refuse bad-job-id
  dir=$state_dir/runs/$job
  after=$dir/after
}

recorded_rc() { cat "$dir/rc" 2>/dev/null || cat "$run_dir/$job.rc" 2>/dev/null; }

# 0 = free, 1 = held by someone, 2 = unknown.
lock_is_free() {
  [ -e "$state_dir/lock" ] || return 0
  flock -n -s "$state_dir/lock" true 2>/dev/null
  case $? in 0) ;; 1) return 1 ;; *) return 2 ;; esac
}

# 0 = a job is alive, 1 = proven dead, 2 = unknown.
alive() {
  lock_is_free
  case $? in 0) ;; 1) return 0 ;; *) return 2 ;; esac
  if ! has_systemd; then session_alive; return; fi
  states=$(timeout "$systemd_limit" systemctl show -p ActiveState "$unit" 'ospatch-job-*.service' 2>/dev/null) || return 2
  case $states in *=[!if]*) return 0 ;; *=inactive* | *=failed*) ;; *) return 2 ;; esac
  # Its exit code exists: leftovers in its control group are not a job.
  last_has_ended && return 1
  # A killed wrapper leaves its package manager running; other leftovers in the control group are not a job.
  job_at_work && return 0
  return 1
}

holder() { cat "$run_dir/holder" 2>/dev/null; }

# The last started job has ended by itself with an exit code.
last_has_ended() {
  last=''
  read -r last 2>/dev/null <"$run_dir/holder"
  if [ -n "$last" ]; then [ -s "$state_dir/runs/$last/rc" ] || [ -s "$run_dir/$last.rc" ]; return; fi
  # Someone has cleared /run: then no job of this boot may be open.
  for run in "$state_dir"/runs/*/started; do
    [ -e "$run" ] && [ ! -s "${run%started}rc" ] && [ "$(cat "${run%started}boot" 2>/dev/null)" = "$boot" ] && return 1
  done
  return 0
}

# The processes in the control groups of jobs, or in the session of the last one: one pid per line.
job_processes() {
  if ! has_systemd; then session_processes; return; fi
  for group in /sys/fs/cgroup/system.slice/ospatch-job*.service /sys/fs/cgroup/systemd/system.slice/ospatch-job*.service \
    /sys/fs/cgroup/unified/system.slice/ospatch-job*.service; do
    [ ! -e "$group/cgroup.procs" ] || cat "$group/cgroup.procs"
  done 2>/dev/null | sort -u
}

# For a job without an exit code: whether its phase or its package manager is still running.
job_at_work() {
  for id in $(job_processes); do
    [ "$id" = $$ ] || ! works_on_packages "$id" || return 0
  done
  return 1
}

# A script whose package manager was killed is given time: a repair would run it a second time concurrently. A script
# that runs longer is most likely a loop put into the background, which looks the same.
script_seconds=600

works_on_packages() {
  read_process "$1" || return 1
  case $p_state in Z | X) return 1 ;; esac
  name=''
  read -r name 2>/dev/null <"/proc/$1/comm"
  case $name in
    ospatch-node-* | apt | apt-get | aptitude | dpkg | dpkg-* | dnf | dnf[345] | dnf-[345] | microdnf | yum | rpm | [Zz]ypp* | apk) return 0 ;;
  esac
  case $(tr '\0' ' ' 2>/dev/null <"/proc/$1/cmdline" | head -c 300) in
    *' /var/lib/dpkg/info/'*.p*inst\ * | *' /var/lib/dpkg/info/'*.p*rm\ * | *' /var/lib/dpkg/tmp.ci/p'* | *' /var/tmp/rpm-tmp.'*) ;;
    *) return 1 ;;
  esac
  read -r up _ </proc/uptime
  [ $((${up%.*} - p_begun / 100)) -lt "$script_seconds" ]
}

# Processes left running by maintainer scripts of ended jobs: `name (pid N)` per line.
left_running() {
  job_processes | while read -r id; do name_process "$id"; done | sort -u | head -n 50
}

# Prints `name (pid PID)` if the process still exists.
name_process() {
  read -r name 2>/dev/null <"/proc/$1/comm" && echo "$name (pid $1)"
}

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

# Waits at most $1 seconds for the end of the job; the wrapper holds the lock until its exit code is written.
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
  report=$run_dir/$job.report
  [ -f "$report" ] || report=$dir/result
  case $1 in
    done*)
      [ -f "$report" ] && result=$(stat -c %s "$report")
      # The age by a single clock, so that the clock may be wrong.
      at=$(stat -c %Y "$dir/rc" 2>/dev/null || stat -c %Y "$run_dir/$job.rc" 2>/dev/null) && ended=$(($(date +%s) - at))
      [ "$ended" -ge 0 ] || ended=0
      ;;
  esac
  [ "$result" -le "$max_result_bytes" ] || refuse result-too-large
  say "state=$1 size=$size off=$2 log=$log result=$result ended=$ended boot=$boot"
  [ "$log" -eq 0 ] || tail -c "+$(($2 + 1))" "$dir/log" | head -c "$log"
  [ "$result" -eq 0 ] || cat "$report"
}

# ------------------------------------------------------------------------------------------------------ starting a job

# Reads key=value lines up to the line `end`, which a truncated upload does not have.
read_parameters() {
  expect='' refresh=no wait=20 max=65536 complete=no lock_wait=7200
  default_policy
  while IFS= read -r line; do
    value=${line#*=}
    case $line in
      end) complete=yes && break ;;
      expect=*) case $value in *[!0-9a-f]*) refuse bad-parameter ;; esac && [ ${#value} -eq 64 ] && expect=$value || refuse bad-parameter ;;
      refresh=yes | refresh=no) refresh=$value ;;
      wait=*) valid_number "$value" && [ "$value" -le 60 ] && wait=$value || refuse bad-parameter ;;
      lock_wait=*) valid_number "$value" && [ "$value" -le 604800 ] && lock_wait=$value || refuse bad-parameter ;;
      max=*) valid_number "$value" && max=$value || refuse bad-parameter ;;
      *) take_policy "$line" || refuse bad-parameter ;;
    esac
  done
  [ "$complete" = yes ] || refuse short-upload 74
}

# ------------------------------------------------------------------------------------------- what root runs is checked
#
# A sudo rule with a digest covers this process only: sudo verifies the bytes and runs them through /dev/fd/N. Whatever
# is started later (the job, apt's hook, the reboot) runs a copy of these very bytes, in a directory of root alone.

helper_dir=/usr/local/libexec

# Variables of the caller steer tools: APT_CONFIG has apt run anything. sudo passes few on, unless it is told to.
clear_variables() {
  set -f
  IFS='
'
  for line in $(export -p); do
    name=${line#export }
    name=${name%%=*}
    case $line:$name in
      *:PATH | *:LC_ALL | *:SUDO_USER | *:SHELLOPTS | *:BASHOPTS | *:*[!A-Za-z0-9_]* | *: | *:[0-9]*) ;;
      export\ *) unset "$name" ;;
    esac
  done
  unset IFS
  set +f
  export HOME=/root
}

# Limits of the caller would end what it starts, at a moment that the caller chooses.
# shellcheck disable=SC3045
raise_limits() {
  for limit in d f m t v; do ulimit "-$limit" unlimited; done 2>/dev/null
  for limit in s=8192 n=4096; do
    case $(ulimit "-${limit%=*}") in unlimited | ????*) ;; *) ulimit "-${limit%=*}" "${limit#*=}" ;; esac
  done 2>/dev/null
}

# Whether this is such a copy. Only copies have the internal verbs, so that no caller has them.
is_copy() {
  case $0 in "$state_dir"/bin/ospatch-node-* | "$run_dir"/bin/ospatch-node-* | /run/ospatch-pending.??????/ospatch-node) ;; *) return 1 ;; esac
}

# find_exposed [-L] PLACE...: sets exposed to the first existing place that users other than root may change, as `PLACE
# OWNER:GROUP MODE`; empty when there is none. A symbolic link counts: what it names may have other directories above.
find_exposed() {
  exposed=$(stat -c '%u %A %U:%G %n' "$@" 2>/dev/null | while read -r owner mode names place; do
    case "$owner $mode" in '0 '[d-]????-??-?) ;; *) echo "$place $names $mode" && break ;; esac
  done)
}

refuse_exposed() { [ -z "$exposed" ] || refuse_with "exposed at=${exposed%% *}" "${exposed#* }" 77; }

# Refuses to go on when others can change this script or its directories. Sets source to the bytes that are being run.
check_self() {
  source=$0
  case $0 in
    /dev/fd/* | /proc/*/fd/*)
      # Under a number that nothing else here uses.
      exec 8<"$0"
      source=/dev/fd/8
      find_exposed -L "$source"
      refuse_exposed
      place=$helper_dir/ospatch-node
      ;;
    /*) place=$0 ;;
    *) place=$(pwd -P)/$0 ;;
  esac
  set -- "$place" "$state_dir/runs" "$state_dir/before" "$state_dir/bin" "$state_dir" "$run_dir/bin" "$run_dir" /run /
  while place=${place%/*} && [ -n "$place" ]; do set -- "$@" "$place"; done
  # A link above the state is as good as its directory and what it names.
  place=${state_dir%/*}
  [ -L /var ] || set -- "$@" /var
  if [ -L /var ] || [ -L "$place" ]; then place=$(cd -P "$place" && pwd -P); fi
  while [ -n "$place" ]; do set -- "$@" "$place" && place=${place%/*}; done
  find_exposed "$@"
  refuse_exposed
}

use_dirs() { mkdir -p "$state_dir/runs" "$state_dir/before" "$state_dir/bin" "$run_dir"; }

# Sets self to a copy of the running script, under its digest. On a full or read-only /var it is kept in memory.
keep_self() {
  ! is_copy || { self=$0 && return; }
  sum=$(sha256sum <"$source")
  for place in "$state_dir/bin" "$run_dir/bin"; do
    self=$place/ospatch-node-${sum%% *}
    [ "$(sha256sum 2>/dev/null <"$self")" != "$sum" ] || return 0
    mkdir -p "$place" 2>/dev/null
    new=$(mktemp "$place/.new.XXXXXX" 2>/dev/null) || continue
    { cat <"$source" >"$new" && [ "$(sha256sum <"$new")" = "$sum" ] && mv -f "$new" "$self"; } 2>/dev/null && return 0
    rm -f "$new"
  done
  return 1
}

# Refuses with WHY and the rest of the header, and in the body the original error message.
refuse_with() {
  say "state=error why=$1"
  printf '%s\n' "$2" | head -c 600
  exit "$3"
}

# try_to_write DIR: sets denied to the system's error message, empty on success.
try_to_write() {
  denied=$({
    test_file=$(mktemp "$1/.try.XXXXXX") && head -c 8192 /dev/zero >"$test_file"
  } 2>&1 | head -n 1)
  rm -f "$1"/.try.??????
}

# Refuses if the helper's directories are not writable, and names the file system and what it lacks.
refuse_unwritable() {
  for place in "$state_dir" "$run_dir"; do
    while [ ! -d "$place" ]; do place=${place%/*} && place=${place:-/}; done
    try_to_write "$place"
    [ -n "$denied" ] || continue
    mount=$(timeout 5 df -P "$place" 2>/dev/null | sed -n '2s/.* //p')
    case $mount in /*) ;; *) mount=$place ;; esac
    why=not-writable
    case $denied in
      *'Read-only file system'*) why=read-only ;;
      *'No space left'*)
        why=disk-full
        case $(timeout 5 stat -f -c '%c %d' "$place" 2>/dev/null) in '0 '*) ;; *' '[0-9]) why=no-inodes ;; esac
        ;;
    esac
    case $mount in *[!A-Za-z0-9/._-]*) mount=$place ;; esac
    refuse_with "$why at=$mount" "$denied" 73
  done
}

cannot_write() {
  refuse_unwritable
  refuse_with 'not-writable at=/var/lib/ospatch' 'a file could not be written, and a moment later one could' 73
}

verb_start() {
  [ "$phase" = "$1" ] || refuse bad-phase
  read_parameters
  has_systemd || can_detach || refuse no-systemd 69
  use_dirs || cannot_write
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
    { printf 'expect=%s\nrefresh=%s\nlock_wait=%s\n' "$expect" "$refresh" "$lock_wait" && policy_lines; } >"$new" || { rm -f "$new"; cannot_write; }
    mkdir "$dir" 2>/dev/null
    # link(2) is atomic: of several uploads for one job the first wins.
    ln "$new" "$dir/parameters" 2>/dev/null
    rm -f "$new"
    [ -e "$dir/parameters" ] || cannot_write
  fi
  tries=0
  while alive; life=$?; [ "$life" -ne 1 ]; do
    # A unit whose wrapper has ended needs some milliseconds to stop; a running one keeps the lock.
    lock_is_free && [ "$tries" -lt 40 ] || { not_now "$life"; return; }
    tries=$((tries + 1))
    # The time of an unresponsive systemd is over.
    [ "$life" -eq 0 ] || tries=$((tries + 19))
    sleep 0.05
  done
  keep_self || cannot_write
  if has_systemd; then
    start_unit "$unit" _run "$job" "$unit" ||
      # Processes left by another job keep the name of its unit.
      { [ ! -d "$dir/started" ] && { alive; [ $? -eq 1 ]; } && start_unit "ospatch-job-$job.service" _run "$job" "ospatch-job-$job.service"; }
  else
    refuse_limits
    said=''
    detach /bin/sh "$self" _run "$job"
  fi
  await "$dir/started" || { not_started; return; }
  wait_for_end "$wait"
}

# start_unit UNIT VERB...: runs the copy as a unit of its own, through sh because /var may be mounted noexec. Sets said
# to the output of systemd-run.
start_unit() {
  unit_name=$1
  shift
  said=$(timeout -k 2 "$start_limit" systemd-run --quiet --collect --unit="$unit_name" --description="ospatch ${2-$1}" \
    -p RefuseManualStop=yes -p KillMode=process -p TimeoutStopSec=900 /bin/sh "$self" "$@" 2>&1 >/dev/null)
  rc=$?
  [ "$rc" -ne 124 ] || said="systemd has not answered systemd-run within $start_limit s"
  [ "$rc" -eq 0 ] || said=${said:-systemd-run exited with code $rc}
  return "$rc"
}

# Waits briefly for PLACE to exist.
await() {
  tries=0
  until [ -e "$1" ]; do
    tries=$((tries + 1))
    [ "$tries" -lt 100 ] || return 1
    sleep 0.02
  done
}

# not_now LIFE: another job occupies the node, if proven; otherwise nothing can be started because of a system error.
not_now() {
  [ "$1" -eq 0 ] || refuse_with no-answer "systemctl show does not answer, or the lock cannot be taken" 69
  # Another start of the same job may have won meanwhile; then its state is the answer.
  state=$(job_state)
  case $state in
    absent | claimed) ;;
    *)
      wait_for_end "$wait"
      return
      ;;
  esac
  # The unit exists but no job is open: its job has not started yet, and may be this one.
  if lock_is_free && last_has_ended; then return; fi
  [ "$(holder)" != "$job" ] || return 0
  say "state=busy holder=$(holder) boot=$boot"
  exit 0
}

# The job was given to systemd and has not started: the wrapper is slow, another start won, or it cannot be started.
not_started() {
  lock_is_free || { not_now 0; return; }
  alive
  case $? in 0) return ;; 2) not_now 2 ;; esac
  [ ! -d "$dir/started" ] || return 0
  refuse_unwritable
  why_not_started
  # Lost against another start; the caller retries.
  case $reason in *status=75* | *status=76*) return ;; esac
  refuse_with start-failed "$reason" 69
}

# Sets reason to the error of systemd-run, or of systemd in the journal, about the unit $unit_name.
why_not_started() {
  reason=$(printf '%s\n' "$said" | sed -n 1p)
  [ -z "$reason" ] || return 0
  reason='it ended before it began'
  has_systemd || return 0
  # Not by -u: the process that could not execute has ended before the journal determines its unit. Of root, since a user
  # may log the same words.
  words=$(timeout 5 journalctl -b _UID=0 --since '30 seconds ago' -o cat --no-pager 2>/dev/null | grep -F "$unit_name: ")
  for pattern in 'Failed at step' 'Failed to ' 'Main process exited' 'Failed with result'; do
    line=$(printf '%s\n' "$words" | grep -e "$pattern" | tail -n 1)
    [ -z "$line" ] || { reason=$line && return; }
  done
}

# Proves that a job can be started this way.
verb_started() { : >"$run_dir/probe"; }

# The wrapper, inside the unit. Its name is that of the script, by which a job that lost its wrapper is recognised.
verb_run() {
  { printf %s "${0##*/}" >/proc/self/comm; } 2>/dev/null
  mkdir -p "$run_dir"
  exec 9>>"$state_dir/lock"
  # Probes take the lock shared for a moment.
  if has_systemd; then flock -w 5 9; else take_detached_lock; fi || exit 75
  [ -d "$dir/started" ] && exit 76
  echo "$boot" >"$dir/boot" && echo "$1" >"$run_dir/unit" && echo "$job" >"$run_dir/holder" && mkdir "$dir/started" || exit 73
  exec </dev/null >>"$dir/log" 2>&1
  # A reboot by someone else waits for the package manager (TimeoutStopSec) instead of killing it.
  trap : TERM INT HUP
  # Services started by maintainer scripts must not inherit the lock.
  (umask 022 && run_phase) 9>&- &
  child=$!
  while :; do
    wait "$child"
    rc=$?
    kill -0 "$child" 2>/dev/null || break
  done
  # The phase was killed, but its children may still run.
  [ "$rc" -lt 128 ] || while job_at_work; do sleep 1; done
  report_in_memory
  # The copy in memory survives a full disk.
  echo "$rc" >"$run_dir/$job.rc"
  # A phase that changed nothing may be repeated after a power cut.
  echo "$rc" >"$dir/rc.new" && case $phase in plan | fetch) ;; *) sync "$dir/rc.new" "$dir" 2>/dev/null ;; esac
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
  rc=$?
  [ "$rc" -eq 0 ] || show_disks
  return "$rc"
}
