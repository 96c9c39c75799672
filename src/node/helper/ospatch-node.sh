#!/bin/sh
# ospatch node helper: the only program ospatch runs on a node. Root only, nothing resident.
#
#   facts                           what this node is and how it is doing
#   pending                         what a patch would change, from the package lists the node has; changes nothing
#   start JOB PHASE <parameters     run a phase once, detached; waits a little for its end
#   poll JOB OFFSET MAX WAIT        state of a job, its log from OFFSET, its result when it is done
#   log TOKEN|last MAX              the logs of one node patch, the newest MAX bytes
#   reboot BOOT-ID                  reboot, but only if the node still has this boot id
#   gc                              keep the newest 20 jobs
#
# A job id is TOKEN-PHASE-NUMBER and is executed at most once, ever. Two locks keep jobs apart: the unit name and a
# flock. Everything a job prints goes to its log and is data: only the first line of our own output is protocol.
#
# One file, because it travels and is checked as one. Sections: job state, starting a job, apt, facts, logs and reboot.
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
unit=ospatch-job.service
keep_jobs=20
max_result_bytes=2097152

# Exit codes of a phase that are ours; anything else comes from the package manager.
rc_plan_changed=90
rc_still_broken=91
rc_unsupported=92

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

# Reads key=value lines up to the line `end`; a cut-off upload has no such line.
read_parameters() {
  expect='' refresh=no wait=20 max=65536 complete=no
  while IFS= read -r line; do
    value=${line#*=}
    case $line in
      end) complete=yes && break ;;
      expect=*) case $value in *[!0-9a-f]*) refuse bad-parameter ;; esac && [ ${#value} -eq 64 ] && expect=$value || refuse bad-parameter ;;
      refresh=yes | refresh=no) refresh=$value ;;
      wait=*) valid_number "$value" && [ "$value" -le 60 ] && wait=$value || refuse bad-parameter ;;
      max=*) valid_number "$value" && max=$value || refuse bad-parameter ;;
      *) refuse bad-parameter ;;
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
    printf 'expect=%s\nrefresh=%s\n' "$expect" "$refresh" >"$new" || { rm -f "$new"; refuse disk-full 73; }
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

run_phase() {
  export DEBIAN_FRONTEND=noninteractive DEBIAN_PRIORITY=critical APT_LISTCHANGES_FRONTEND=none \
    APT_LISTBUGS_FRONTEND=none UCF_FORCE_CONFFOLD=1 NEEDRESTART_MODE=l NEEDRESTART_SUSPEND=1 HOME=/root
  cd /
  expect='' refresh=no
  while IFS='=' read -r key value; do
    case $key in expect) expect=$value ;; refresh) refresh=$value ;; esac
  done <"$dir/parameters"
  command -v apt-get >/dev/null 2>&1 || return $rc_unsupported
  "apt_$phase"
}

# ---------------------------------------------------------------------------------------------- package manager: apt

# Waits for ever on the frontend lock: who holds it stands in the log, and giving up would waste the attempt.
apt_get() {
  apt-get -q -y -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=-1 -o Acquire::Retries=3 \
    -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold \
    -o APT::Get::AutomaticRemove=false -o APT::Get::AllowUnauthenticated=false -o APT::Get::Allow-Downgrades=false \
    ${preferences:+-o "Dir::Etc::Preferences=$preferences"} "$@"
}

lock_text='Could not get lock|Unable to lock|Unable to acquire|was locked by another process'

# What the log holds since retrying was called.
recent_output() { tail -c "+$((mark + 1))" "$dir/log"; }

# retrying COMMAND...: again while only a lock is in the way, which means that nothing was done. At most 30 minutes.
retrying() {
  rounds=0
  while :; do
    mark=$(stat -c %s "$dir/log")
    "$@" 2>&1 && return 0
    rc=$?
    rounds=$((rounds + 1))
    [ "$rounds" -lt 360 ] && recent_output | grep -qE "$lock_text" || return $rc
    recent_output | grep -q '^Unpacking ' && return $rc
    sleep 5
  done
}

apt_refresh() {
  failures=0
  while :; do
    # Without Error-Mode=any a mirror that is out of reach counts as success.
    retrying apt_get -o APT::Update::Error-Mode=any update
    rc=$?
    # Releases of apt that do not know Error-Mode.
    if [ "$rc" -eq 0 ] && recent_output | grep -qE '^W: (Failed to fetch|Some index files failed)'; then rc=100; fi
    [ "$rc" -eq 0 ] && return 0
    failures=$((failures + 1))
    [ "$failures" -lt 3 ] || return "$rc"
    sleep $((failures * 2))
  done
}

apt_plan() {
  if [ "$refresh" = yes ]; then apt_refresh || return $?; fi
  apt_pending "$dir" >"$dir/result"
  rc=$?
  sed -n 's/^out //p' "$dir/result"
  collect_garbage
  return $rc
}

# apt asks `_verify` between its own decision, under the lock, and the first change.
apt_apply() {
  apt_baseline || return 73
  apt_preferences "$dir"
  OSPATCH_JOB=$job
  export OSPATCH_JOB
  self=$(own_path)
  retrying apt_get -o DPkg::Pre-Install-Pkgs::="$self _verify" -o "DPkg::Tools::Options::$self::Version=3" \
    --no-remove dist-upgrade
  rc=$?
  apt_report >"$dir/result"
  [ ! -e "$dir/plan-changed" ] || return $rc_plan_changed
  # apt does not ask when there is nothing to do.
  if [ "$rc" -eq 0 ] && [ ! -e "$dir/actual" ] && [ "$expect" != "$(digest </dev/null)" ]; then
    echo "$plan_changed_text"
    return $rc_plan_changed
  fi
  return $rc
}

plan_changed_text='ospatch: the set of packages has changed since it was planned; nothing was done'

# Reads what apt is about to do (its hook protocol, version 3). Any other set than the planned one stops apt before it
# changes anything.
verb_verify() {
  expect=''
  while IFS='=' read -r key value; do
    case $key in expect) expect=$value ;; esac
  done <"$dir/parameters"
  awk '!body { if ($0 == "") body = 1; next }
    $9 == "**CONFIGURE**" { next }
    $9 == "**REMOVE**" { print "remove", $1; next }
    { print $1, $7, $2, $6 }' | sort -u >"$dir/actual"
  [ "$(digest <"$dir/actual")" = "$expect" ] && return 0
  : >"$dir/plan-changed"
  echo "$plan_changed_text"
  return 1
}

apt_repair() {
  apt_baseline || return 73
  apt_preferences "$dir"
  retrying dpkg --force-confdef --force-confold --configure -a
  retrying apt_get --no-remove -f install
  rc=$?
  apt_report >"$dir/result"
  dpkg --audit
  if [ "$rc" -eq 0 ] && grep -q '^problem ' "$dir/result"; then rc=$rc_still_broken; fi
  return $rc
}

# apt_pending DIR: prints what dist-upgrade would do, for the controller to parse.
apt_pending() {
  apt_preferences "$1"
  apt_simulate "$1"
  rc=$?
  echo "digest $(apt_plan_lines "$1" | digest)"
  dpkg-query -W -f='${db:Status-Want} ${Package}\n' 2>/dev/null | sed -n 's/^hold /held /p'
  if [ -n "$preferences" ]; then
    # shellcheck disable=SC2046
    apt-cache policy $(sed -n 's/^Package: //p' "$1/pinned") | awk '
      /^[^ ]/ { name = substr($1, 1, length($1) - 1) }
      $1 == "Installed:" { installed = $2 }
      $1 == "Candidate:" && $2 != installed && $2 != "(none)" { print "kubernetes " name }'
  fi
  sed '/^Conf /d; s/^/out /' "$1/simulation"
  return $rc
}

apt_simulate() { apt_get -s -o Debug::NoLocking=1 dist-upgrade >"$1/simulation" 2>&1; }

# The set of changes, `name arch old new` a line; the digest names exactly this set.
apt_plan_lines() {
  awk '$1 == "Remv" || $1 == "Purg" { print "remove", $2 }
    $1 == "Inst" {
      name = $2; old = "-"; new = $3
      if (new ~ /^\[/) { old = substr(new, 2, length(new) - 2); new = $4 }
      match($0, /\[[a-z0-9-]+\]\)/)
      sub(/:.*/, "", name)
      print name, substr($0, RSTART + 1, RLENGTH - 3), old, substr(new, 2)
    }' "$1/simulation" | sort -u
}

digest() { sha256sum | cut -c1-64; }

# Kubernetes and its container runtime follow the cluster's own upgrade. Pinned at what is installed for this call only.
apt_preferences() {
  preferences=''
  systemctl is-active --quiet kubelet k3s k3s-agent rke2-server rke2-agent 2>/dev/null ||
    [ -e /var/lib/dpkg/info/kubelet.list ] || return 0
  dpkg-query -W -f='${db:Status-Status} ${Package} ${Version}\n' kubelet kubeadm kubectl kubernetes-cni cri-tools \
    containerd containerd.io docker.io 'docker-ce*' runc 'cri-o*' 2>/dev/null |
    awk '$1 == "installed" { printf "Package: %s\nPin: version %s\nPin-Priority: 1001\n\n", $2, $3 }' >"$1/pinned"
  [ -s "$1/pinned" ] || return 0
  preferences=$1/preferences
  { cat "$1/pinned"; cat /etc/apt/preferences 2>/dev/null; } >"$preferences"
}

apt_status() { dpkg-query -W -f='${db:Status-Abbrev}|${Package} ${Architecture} ${Version}\n' 2>/dev/null; }

# Packages on the disk, configured or not, one `name arch version` a line.
apt_installed() { apt_status | awk -F '|' 'substr($1, 2, 1) !~ /[nc]/ { print $2 }' | sort; }

apt_problems() {
  awk -F '|' 'substr($1, 2, 1) ~ /[HUFWt]/ || substr($1, 3, 1) == "R" { split($2, p, " "); print p[1] " is not fully installed (" $1 ")" }'
  for journal in /var/lib/dpkg/updates/[0-9]*; do
    [ -e "$journal" ] && echo 'dpkg was interrupted' && break
  done
}

# What was installed when the last job of this node patch that could say so had ended, or before the first one. The job
# after an interrupted one so reports what both have changed.
apt_baseline() {
  [ -e "$state_dir/before/$token" ] && return 0
  apt_installed >"$dir/before" && [ -s "$dir/before" ] && mv "$dir/before" "$state_dir/before/$token"
}

apt_report() {
  apt_installed >"$dir/after"
  comm -3 "$state_dir/before/$token" "$dir/after" | awk '/^\t/ { print "+ " substr($0, 2); next } { print "- " $0 }'
  find /etc -xdev \( -name '*.dpkg-dist' -o -name '*.dpkg-new' -o -name '*.ucf-dist' \) -cnewer "$dir/started" |
    head -n 100 | sed 's/^/conffile /'
  apt_status | apt_problems | head -n 100 | sed 's/^/problem /'
}

# ------------------------------------------------------------------------------------------------------------- facts

unquote() {
  text=$1
  case $text in \"*\") text=${text#\"} text=${text%\"} ;; \'*\') text=${text#\'} text=${text%\'} ;; esac
}

os_facts() {
  [ -r /etc/os-release ] || return 0
  while IFS='=' read -r key value; do
    unquote "$value"
    case $key in
      ID) echo "os_id=$text" ;;
      VERSION_ID) echo "os_version_id=$text" ;;
      VERSION_CODENAME) echo "os_codename=$text" ;;
      PRETTY_NAME) echo "os_pretty_name=$text" ;;
      VARIANT_ID) echo "os_variant=$text" ;;
    esac
  done </etc/os-release
  if [ -r /etc/debian_version ]; then
    read -r text </etc/debian_version && echo "debian_version=$text"
  fi
  [ -d /run/systemd/system ] && echo systemd=yes
  [ -e /run/ostree-booted ] && echo image_based=ostree
  [ -x /usr/sbin/transactional-update ] && echo image_based=transactional-update
}

manager_facts() {
  for manager in apt-get dnf5 dnf yum zypper apk; do
    command -v "$manager" >/dev/null 2>&1 || continue
    echo "package_manager=${manager%-get}"
    break
  done
}

package_facts() {
  [ "$manager" = apt-get ] || return 0
  status=$(apt_status)
  list=$(printf '%s\n' "$status" | awk -F '[| ]+' 'substr($1, 2, 1) !~ /[nc]/ { print $2 ":" $3 "=" $4 }' | sort)
  printf '%s\n' "$list" | sha256sum | sed 's/^\(.\{16\}\).*/packages_digest=\1/'
  printf '%s\n' "$list" | awk 'END { print "packages_count=" NR }'
  printf '%s\n' "$status" | apt_problems | head -n 50 | sed 's/^/package_problem=/'
}

# Only the flavour that runs counts: another installed flavour is no reason to reboot.
kernel_facts() {
  running=$(uname -r)
  echo "kernel_running=$running"
  container=$(systemd-detect-virt -c 2>/dev/null)
  case $container in '' | none) ;; *) echo "container=$container" && return ;; esac
  newest=$(for image in /boot/vmlinuz-*; do echo "${image#/boot/vmlinuz-}"; done | grep -vE '\*|\.(old|bak|dpkg-[a-z]+)$|rescue' |
    awk -v running="$running" 'function flavour(v) { sub(/^[0-9][0-9.+~_-]*(deb[0-9]+-)?/, "", v); return v }
      flavour($0) == flavour(running)' | sort -V | tail -n 1)
  if [ -n "$newest" ]; then
    echo "kernel_newest=$newest"
    [ "$newest" = "$running" ] || echo "reboot_reason=kernel $newest is installed, $running is running"
  fi
  # Kernels given by a hypervisor may have no modules at all.
  if [ -s /proc/modules ] && [ ! -d "/lib/modules/$running" ]; then
    echo "reboot_reason=the modules of the running kernel $running are gone"
  fi
  if [ -x /usr/sbin/needrestart ]; then
    case $(timeout 20 needrestart -b -k -r l 2>/dev/null </dev/null) in
      *KSTA:\ [23]*) echo 'reboot_reason=needrestart: a newer kernel waits for a reboot' ;;
    esac
  fi
}

reboot_facts() {
  [ -e /run/reboot-required ] || return 0
  if [ -s /run/reboot-required.pkgs ]; then
    sort -u /run/reboot-required.pkgs | head -n 20 | sed 's/^/reboot_reason=package /'
  else
    echo 'reboot_reason=/run/reboot-required'
  fi
}

# Package locks are fcntl locks; /proc/locks names their inode and owner.
lock_facts() {
  [ "$manager" = apt-get ] || return 0
  set -- /var/lib/dpkg/lock-frontend /var/lib/dpkg/lock /var/lib/apt/lists/lock /var/cache/apt/archives/lock
  inodes=$(stat -c %i "$@" 2>/dev/null)
  while read -r _ kind _ _ pid place _; do
    [ "$kind" = POSIX ] && [ "$pid" -gt 0 ] || continue
    case "
$inodes
" in *"
${place##*:}
"*) ;; *) continue ;; esac
    # The same inode number may stand for a file of another filesystem.
    find "/proc/$pid/fd" -lname '/var/*lock*' 2>/dev/null | grep -q . || continue
    read -r name <"/proc/$pid/comm" && echo "lock_holder=$name (pid $pid)" && return
  done </proc/locks 2>/dev/null
}

unit_facts() {
  command -v systemctl >/dev/null 2>&1 || return 0
  systemctl show -p SystemState 2>/dev/null | sed -n 's/^SystemState=/system_state=/p'
  systemctl list-units --failed --plain --no-legend 2>/dev/null | while read -r name _; do echo "failed_unit=$name"; done
  systemctl show -p Id,ActiveState kubelet.service k3s.service k3s-agent.service rke2-server.service \
    rke2-agent.service k0scontroller.service k0sworker.service snap.microk8s.daemon-kubelite.service \
    rebootmgr.service apt-daily.service apt-daily-upgrade.service apt-daily-upgrade.timer 2>/dev/null |
    while IFS='=' read -r key value; do
      case $key=$value in
        Id=*) name=$value ;;
        ActiveState=active | ActiveState=activating | ActiveState=reloading)
          case $name in
            rebootmgr.service) echo 'reboot_owner=rebootmgr' ;;
            apt-daily.service | apt-daily-upgrade.service) echo "updater_running=$name" ;;
            apt-daily-upgrade.timer) updater_settings ;;
            *) echo "kubernetes_agent=${name%.service}" ;;
          esac
          ;;
      esac
    done
  grep -lsx kured /proc/[0-9]*/comm >/dev/null && echo 'reboot_owner=kured'
}

updater_settings() {
  [ -x /usr/bin/unattended-upgrade ] || return 0
  settings=$(apt-config dump APT::Periodic::Unattended-Upgrade Unattended-Upgrade::Automatic-Reboot 2>/dev/null)
  case $settings in *'APT::Periodic::Unattended-Upgrade "'[1-9]*) echo 'other_updater=unattended-upgrades' ;; *) return ;; esac
  case $settings in
    *'Unattended-Upgrade::Automatic-Reboot "true"'* | *'Unattended-Upgrade::Automatic-Reboot "1"'*)
      echo 'reboot_owner=unattended-upgrades with Automatic-Reboot'
      ;;
  esac
}

disk_facts() {
  df -Pk / /var /boot 2>/dev/null | {
    read -r _
    for name in root var boot; do
      read -r _ _ _ free _ && echo "disk_${name}_kib=$free"
    done
  }
}

job_facts() {
  alive
  case $? in 0) echo "job=$(holder)" ;; 2) echo job=unknown ;; esac
}

verb_facts() {
  say facts
  echo "boot_id=$boot"
  os_facts
  manager=''
  manager_facts
  echo "arch=$(uname -m)"
  kernel_facts
  reboot_facts
  package_facts
  lock_facts
  unit_facts
  disk_facts
  job_facts
  date -u '+clock=%Y-%m-%dT%H:%M:%SZ'
  echo end
}

verb_pending() {
  command -v apt-get >/dev/null 2>&1 || refuse unsupported
  scratch=$(mktemp -d /run/ospatch-pending.XXXXXX) || refuse disk-full 73
  trap 'rm -rf "$scratch"' EXIT
  apt_pending "$scratch" >"$scratch/result"
  rc=$?
  say "state=done rc=$rc size=0 off=0 log=0 result=$(stat -c %s "$scratch/result") boot=$boot"
  cat "$scratch/result"
}

# --------------------------------------------------------------------------------------------- logs, reboot, clean-up

verb_log() {
  wanted=$1
  if [ "$wanted" = last ]; then
    wanted=$(find "$state_dir/runs" -mindepth 1 -maxdepth 1 -printf '%T@ %f\n' 2>/dev/null | sort -n | sed -n '$s/^[^ ]* \([^-]*\)-.*/\1/p')
    [ -n "$wanted" ] || { say log && return; }
  fi
  valid_token "$wanted" || refuse bad-token
  valid_number "$2" || refuse bad-number
  say log
  find "$state_dir/runs" -mindepth 1 -maxdepth 1 -name "$wanted-*" -printf '%T@ %f\n' 2>/dev/null | sort -n |
    while read -r _ name; do
      printf '==> %s <==\n' "$name"
      cat "$state_dir/runs/$name/log" 2>/dev/null
    done | tail -c "$2"
}

verb_reboot() {
  case $1 in '' | *[!0-9a-f-]*) refuse bad-boot-id ;; esac
  [ "$1" = "$boot" ] || { say "state=rebooted boot=$boot" && return; }
  alive
  [ $? -eq 1 ] || { say "state=busy holder=$(holder) boot=$boot" && return; }
  # From a timer, so that this call ends before the connection does. A second request finds the unit, or the system on
  # its way down, and is a no-op.
  systemd-run --quiet --collect --unit=ospatch-reboot --on-active=1 --timer-property=AccuracySec=100ms \
    --setenv=SYSTEMCTL_SKIP_AUTO_SOFT_REBOOT=1 systemctl reboot >/dev/null 2>&1 ||
    systemctl is-active --quiet ospatch-reboot.timer ospatch-reboot.service ||
    [ "$(systemctl is-system-running)" = stopping ] || refuse reboot-failed 70
  say "state=rebooting boot=$boot"
}

collect_garbage() {
  [ -d "$state_dir/runs" ] || return 0
  running=$(holder)
  find "$state_dir/runs" -mindepth 1 -maxdepth 1 -type d -printf '%T@ %f\n' | sort -rn | tail -n "+$((keep_jobs + 1))" |
    while read -r _ name; do
      [ "$name" = "$running" ] || rm -rf "${state_dir:?}/runs/$name"
    done
  find "$state_dir/before" -type f -mtime +60 -delete
}

verb=${1-}
case $verb in
  facts) verb_facts ;;
  pending) verb_pending ;;
  start) use_job "${2-}" && verb_start "${3-}" ;;
  _verify) use_job "${OSPATCH_JOB-}" && verb_verify ;;
  _run) use_job "${2-}" && verb_run ;;
  poll)
    use_job "${2-}"
    valid_number "${3-}" && valid_number "${4-}" && valid_number "${5-}" || refuse bad-number
    [ "$(job_state)" != running ] || wait_for_end "$5"
    answer "$(job_state)" "$3" "$4"
    ;;
  log) verb_log "${2-}" "${3-}" ;;
  reboot) verb_reboot "${2-}" ;;
  gc) collect_garbage && say state=ok ;;
  *) refuse bad-verb ;;
esac
