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
# flock. Everything a job prints goes to its log and is data: only the first line of our own output is protocol.
#
# It travels and is checked as one file, put together of the parts that lie beside this one: job state and starting a
# job (core), one part per family of package managers, facts, and the verbs (main).
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
  case $phase in refresh | plan | apply | repair) ;; *) refuse bad-phase ;; esac
  valid_number "$number" && [ ${#number} -le 6 ] || refuse bad-job-id
  dir=$state_dir/runs/$job
}

recorded_rc() { cat "$dir/rc" 2>/dev/null || cat "$run_dir/$job.rc" 2>/dev/null; }

lock_is_free() { [ ! -e "$state_dir/lock" ] || flock -n -s "$state_dir/lock" true; }

# 0 = something of ours is alive, 1 = proven dead, 2 = cannot tell.
alive() {
  lock_is_free || return 0
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
wait_for_end() { [ "$1" -eq 0 ] || [ ! -e "$state_dir/lock" ] || flock -s -w "$1" "$state_dir/lock" true; }

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

valid_glob() {
  case $1 in '' | -* | *[!A-Za-z0-9._+:*?-]*) return 1 ;; esac
  [ ${#1} -le 128 ]
}

# Which packages are patched. exclude holds globs, separated by spaces: never expand it with globbing on.
default_policy() { only='' exclude='' excludes=0 kubernetes=no removals=no keep_minor=no phased=default; }

# take_policy LINE: 0 when it is a valid line of the policy.
take_policy() {
  value=${1#*=}
  case $1 in
    only=security) only=security ;;
    exclude=*)
      excludes=$((excludes + 1))
      valid_glob "$value" && [ "$excludes" -le 100 ] || return 1
      exclude="$exclude $value"
      ;;
    kubernetes=yes) kubernetes=yes ;;
    removals=yes) removals=yes ;;
    keep_minor=yes) keep_minor=yes ;;
    phased=always | phased=never) phased=$value ;;
    *) return 1 ;;
  esac
}

policy_lines() {
  [ -z "$only" ] || echo "only=$only"
  set -f
  for glob in $exclude; do echo "exclude=$glob"; done
  set +f
  [ "$kubernetes" = no ] || echo kubernetes=yes
  [ "$removals" = no ] || echo removals=yes
  [ "$keep_minor" = no ] || echo keep_minor=yes
  [ "$phased" = default ] || echo "phased=$phased"
}

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

verb_start() {
  [ "$phase" = "$1" ] || refuse bad-phase
  read_parameters
  [ -d /run/systemd/system ] || refuse no-systemd 69
  mkdir -p "$state_dir/runs" "$state_dir/before" "$run_dir" || refuse disk-full 73
  state=$(job_state)
  case $state in
    absent | claimed) launch ;;
    running) wait_for_end "$wait" ;;
  esac
  answer "$(job_state)" 0 "$max"
}

launch() {
  if [ ! -e "$dir/parameters" ]; then
    new=$(mktemp "$state_dir/new.XXXXXX") || refuse disk-full 73
    { printf 'expect=%s\nrefresh=%s\n' "$expect" "$refresh" && policy_lines; } >"$new" || { rm -f "$new"; refuse disk-full 73; }
    mkdir "$dir" 2>/dev/null
    # link(2) is atomic: of several uploads for one job the first wins.
    ln "$new" "$dir/parameters" 2>/dev/null
    rm -f "$new"
    [ -e "$dir/parameters" ] || refuse disk-full 73
  fi
  tries=0
  while alive; [ $? -ne 1 ]; do
    # A unit whose wrapper is gone needs some milliseconds to wind down; a running one keeps the lock.
    lock_is_free && [ "$tries" -lt 40 ] || { busy; return; }
    tries=$((tries + 1))
    sleep 0.05
  done
  systemd-run --quiet --collect --unit="$unit" --description="ospatch $job" -p RefuseManualStop=yes \
    -p KillMode=process -p TimeoutStopSec=900 "$(own_path)" _run "$job" >/dev/null 2>&1
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
  flock -w 5 9 || exit 75
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
}

# The parameters of the job, checked again: they decide what root does here.
load_parameters() {
  expect='' refresh=no
  default_policy
  while IFS= read -r line; do
    value=${line#*=}
    case $line in
      expect=*) expect=$value ;;
      refresh=*) refresh=$value ;;
      *) take_policy "$line" || return 1 ;;
    esac
  done <"$dir/parameters"
}

run_phase() {
  export DEBIAN_FRONTEND=noninteractive DEBIAN_PRIORITY=critical APT_LISTCHANGES_FRONTEND=none \
    APT_LISTBUGS_FRONTEND=none UCF_FORCE_CONFFOLD=1 NEEDRESTART_MODE=l NEEDRESTART_SUSPEND=1 HOME=/root
  cd /
  load_parameters || return 64
  use_manager
  [ -n "$driver" ] || return $rc_unsupported
  "${driver}_$phase"
}

# ----------------------------------------------------------------------------------------------------- package managers
#
# The part of a driver defines DRIVER_refresh, DRIVER_plan, DRIVER_apply, DRIVER_repair (phases), DRIVER_pending DIR (what
# an apply would do, for the verb `pending`), DRIVER_installed (`name arch version` lines, sorted), and DRIVER_facts and
# DRIVER_lock_facts (lines of `facts`).

# Kubernetes and its container runtime follow the cluster's own upgrade.
is_kubernetes_node() {
  systemctl is-active --quiet kubelet k3s k3s-agent rke2-server rke2-agent 2>/dev/null ||
    [ -e /var/lib/dpkg/info/kubelet.list ] || { [ "$driver" != apt ] && rpm -q kubelet >/dev/null 2>&1; }
}

digest() { sha256sum | cut -c1-64; }

# Sets os_id, os_like and os_version_id.
use_os() {
  os_id='' os_like='' os_version_id=''
  [ -r /etc/os-release ] || return 0
  while IFS='=' read -r key value; do
    unquote "$value"
    case $key in ID) os_id=$text ;; ID_LIKE) os_like=$text ;; VERSION_ID) os_version_id=$text ;; esac
  done </etc/os-release
}

unquote() {
  text=$1
  case $text in \"*\") text=${text#\"} text=${text%\"} ;; \'*\') text=${text#\'} text=${text%\'} ;; esac
}

# Sets manager to the program that is in charge of the packages and driver to the part that knows it; empty = none. The
# system decides, not what is installed: a Debian may carry dnf and zypper as well.
use_manager() {
  use_os
  case " $os_id $os_like " in
    *' debian '* | *' ubuntu '*) candidates=apt-get ;;
    *' suse '* | *' opensuse '* | *' sles '* | *' opensuse-leap '*) candidates=zypper ;;
    *' rhel '* | *' fedora '* | *' centos '* | *' amzn '* | *' ol '*) candidates='dnf dnf5 yum' ;;
    *) candidates='apt-get dnf dnf5 yum zypper apk' ;;
  esac
  manager='' driver=''
  for candidate in $candidates; do
    command -v "$candidate" >/dev/null 2>&1 || continue
    manager=$candidate
    break
  done
  case $manager in
    apt-get) driver=apt ;;
    dnf | dnf5 | yum) driver=dnf ;;
    zypper) driver=zypper ;;
  esac
}

plan_changed_text='ospatch: the set of packages has changed since it was planned; nothing was done'

plan_phase() {
  if [ "$refresh" = yes ]; then "${driver}_refresh" || return $?; fi
  "${driver}_pending" "$dir" >"$dir/result"
  rc=$?
  sed -n 's/^out //p' "$dir/result"
  collect_garbage
  return $rc
}

# What was installed when the last job of this node patch that could say so had ended, or before the first one. The job
# after an interrupted one so reports what both have changed.
take_baseline() {
  [ -e "$state_dir/before/$token" ] && return 0
  "${driver}_installed" >"$dir/before" && [ -s "$dir/before" ] && mv "$dir/before" "$state_dir/before/$token"
}

# Compares it with DIR/after.
changed_since_baseline() {
  comm -3 "$state_dir/before/$token" "$dir/after" | awk '/^\t/ { print "+ " substr($0, 2); next } { print "- " $0 }'
}

# holder_of_lock FILE...: package locks are fcntl locks; /proc/locks names their inode and owner.
holder_of_lock() {
  inodes=$(stat -c %i "$@" 2>/dev/null)
  [ -n "$inodes" ] || return 1
  while read -r _ kind _ _ pid place _; do
    [ "$kind" = POSIX ] && [ "$pid" -gt 0 ] || continue
    case "
$inodes
" in *"
${place##*:}
"*) ;; *) continue ;; esac
    # The same inode number may stand for a file of another filesystem.
    find "/proc/$pid/fd" -lname '/*lock*' 2>/dev/null | grep -q . || continue
    read -r name <"/proc/$pid/comm" && echo "lock_holder=$name (pid $pid)" && return 0
  done </proc/locks 2>/dev/null
  return 1
}
