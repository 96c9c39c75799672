# ------------------------------------------------------------------------------------------------- policy of packages

valid_glob() {
  case $1 in '' | -* | *[!A-Za-z0-9._+:*?-]*) return 1 ;; esac
  [ ${#1} -le 128 ]
}

# Which packages are patched. exclude contains globs, separated by spaces: never expand it with globbing on.
default_policy() {
  only='' exclude='' excludes=0 kubernetes=no removals=no keep_minor=no phased=default
  default_restart
}

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
    *) take_restart "$1" ;;
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
  restart_lines
}

# The parameters of the job, validated again: they determine what root does here.
load_parameters() {
  expect='' refresh=no
  default_policy
  while IFS= read -r line; do
    value=${line#*=}
    case $line in
      expect=*) expect=$value ;;
      lock_wait=*) valid_number "$value" && lock_timeout=$value || return 1 ;;
      refresh=*) refresh=$value ;;
      *) take_policy "$line" || return 1 ;;
    esac
  done <"$dir/parameters"
}

# ----------------------------------------------------------------------------------------------------- package managers
#
# Each driver defines DRIVER_refresh, DRIVER_plan, DRIVER_apply, DRIVER_repair (phases), DRIVER_pending DIR (what an
# apply would do, for the verb `pending`), DRIVER_installed (`name arch version` lines, sorted), DRIVER_facts and
# DRIVER_lock_files (adds to lock_files).

# Kubernetes and its container runtime follow the cluster's own upgrade.
is_kubernetes_node() {
  systemctl is-active --quiet kubelet k3s k3s-agent rke2-server rke2-agent 2>/dev/null ||
    [ -e /var/lib/dpkg/info/kubelet.list ] || { [ "$driver" != apt ] && rpm -q kubelet >/dev/null 2>&1; } ||
    { [ "$driver" = apk ] && grep -qsxE 'P:(kubelet|k3s|rke2|k0s)' "$apk_db/installed"; }
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

# Sets manager to the package manager of the system and driver to its part of the helper; empty = none. The
# distribution decides, not what is installed: a Debian may have dnf and zypper too.
use_manager() {
  use_os
  case " $os_id $os_like " in
    *' debian '* | *' ubuntu '*) candidates=apt-get ;;
    *' suse '* | *' opensuse '* | *' sles '* | *' opensuse-leap '*) candidates=zypper ;;
    *' alpine '*) candidates=apk ;;
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
    zypper | apk) driver=$manager ;;
  esac
}

# plan_lines DIR GUARDS KUBERNETES: the result of a simulation in DIR/changes, and the globs of kept packages. GUARDS
# are all in force, KUBERNETES those added to the policy's own on a Kubernetes node.
plan_lines() {
  echo "digest $(digest <"$1/changes")"
  sed 's/^/change /' "$1/changes"
  set -f
  for glob in $exclude; do echo "guard excluded $glob"; done
  [ "$2" = "$exclude" ] || for glob in $3; do echo "guard kubernetes $glob"; done
  set +f
}

# Succeeds when $dir/changes matches the plan.
is_planned() {
  [ "$(digest <"$dir/changes")" = "$expect" ] && return 0
  echo "$plan_changed_text"
  return 1
}

plan_changed_text='ospatch: the set of packages has changed since it was planned; nothing was done'

plan_phase() {
  # Most of the time is spent waiting for mirrors.
  collect_garbage &
  collector=$!
  plan_changes
  rc=$?
  wait "$collector"
  return $rc
}

plan_changes() {
  warning=''
  if [ "$refresh" = yes ]; then "${driver}_refresh" || return $?; fi
  "${driver}_pending" "$dir" >"$dir/result"
  rc=$?
  [ "$rc" -ne 0 ] || room_lines "$dir" >>"$dir/result"
  [ -z "$warning" ] || printf 'warning %s\n' "$warning" >>"$dir/result"
  sed -n 's/^out //p' "$dir/result"
  changed_since_first >>"$dir/result"
  return $rc
}

# The packages installed after the last job of this node patch that could record them, or before the first one. A job
# after an interrupted one thus reports the changes of both.
take_baseline() {
  [ -e "$state_dir/before/$token" ] && return 0
  "${driver}_installed" >"$dir/before" || return 73
  if ! [ -s "$dir/before" ]; then
    # On a full file system the file may exist but be empty.
    try_to_write "$dir"
    [ -z "$denied" ] || return 73
    echo 'ospatch: the package database names no package'
    return $rc_unreadable
  fi
  ln "$dir/before" "$state_dir/before/$token.first" 2>/dev/null
  mv "$dir/before" "$state_dir/before/$token" || return 73
}

# All changes of this node patch so far, whether its jobs could report them or not, as `since` lines.
changed_since_first() {
  [ -s "$state_dir/before/$token.first" ] || return 0
  "${driver}_installed" | comm -3 "$state_dir/before/$token.first" - |
    awk '/^\t/ { print "since + " substr($0, 2); next } { print "since - " $0 }'
}

# Compares with $after.
changed_since_baseline() {
  comm -3 "$state_dir/before/$token" "$after" | awk '/^\t/ { print "+ " substr($0, 2); next } { print "- " $0 }'
}

# A file system that has become full or read-only may hold a truncated report or none, which would mean that nothing
# was changed. The report is then kept in memory.
report_in_memory() {
  case $phase in apply | repair) ;; *) return 0 ;; esac
  [ -s "$state_dir/before/$token" ] || return 0
  try_to_write "$dir"
  [ -n "$denied" ] || return 0
  use_manager
  after=$run_dir/$job.after
  case $driver in
    dnf | zypper) rpm_report ;;
    *) "${driver}_report" ;;
  esac >"$run_dir/$job.report"
  rm -f "$after"
}
