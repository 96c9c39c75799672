# ------------------------------------------------------------------------------------------------------ locks of others
#
# Package managers, debconf and the user tools lock files; /proc/locks lists the holders. A phase waits for locks
# before any change: a package whose script meets one is left half-installed.

# The deadline for waiting for locks is set once per job.
lock_timeout=7200
lock_end=''

# Sets left to the seconds left for waiting for locks; 1 = none.
lock_left() {
  read -r up _ </proc/uptime
  up=${up%%.*}
  [ -n "$lock_end" ] || lock_end=$((up + lock_timeout))
  left=$((lock_end - up))
  [ "$left" -gt 0 ]
}

# held_lock KIND FILE...: sets lock_file, lock_pid and lock_name when a process of KIND (root: with root's rights; user)
# has locked one of these files; 1 = no such process.
#
# A lock counts when the kernel lists it below a descriptor that is this very file. A number in /proc/locks proves
# nothing, since a user finds the same inode on another file system; nor does an open file, since O_PATH needs no rights.
held_lock() {
  lock_kinds=$1
  shift
  inodes=$(stat -c %i "$@" 2>/dev/null | tr '\n' ' ')
  [ -n "$inodes" ] || return 1
  use_root_type
  # On overlayfs /proc/locks shows another inode than that of the file. A lock without a process (pid -1 or 0, or one
  # that has ended) belongs to whoever has its descriptor.
  lockers=$(awk -v inodes="$inodes" -v type="$root_type" '
    BEGIN { n = split(inodes, list, " "); for (i = 1; i <= n; i++) wanted[list[i]] }
    $2 ~ /^(POSIX|FLOCK|OFDLCK)$/ {
      inode = $6; sub(/.*:/, "", inode)
      if ((inode in wanted || type == "overlay" && $5 > 0) && !seen[$5]++) print $5
    }' /proc/locks 2>/dev/null)
  [ -n "$lockers" ] || return 1
  # shellcheck disable=SC2086
  descriptors=$(list_processes $lockers | effective "$lock_kinds" | sed 's/status$/fdinfo/' | list_locked)
  while read -r descriptor; do
    [ -n "$descriptor" ] || continue
    for lock_file in "$@"; do
      # Device and inode: /proc/locks shows another device number on btrfs and overlayfs.
      # shellcheck disable=SC3013
      [ "$descriptor" -ef "$lock_file" ] || continue
      lock_pid=${descriptor#/proc/}
      lock_pid=${lock_pid%%/*}
      lock_name=''
      read -r lock_name 2>/dev/null <"/proc/$lock_pid/comm"
      [ -z "$lock_name" ] || return 0
    done
  done <<DESCRIPTORS
$descriptors
DESCRIPTORS
  return 1
}

# list_processes PID...: their status files; those of all processes if one of these does not exist.
list_processes() {
  for id in "$@"; do
    [ -e "/proc/$id/status" ] || { printf '%s\n' /proc/[0-9]*/status; return; }
  done
  printf '/proc/%s/status\n' "$@"
}

# Of the /proc/PID/fdinfo directories on standard input, the descriptors through which locks are held. Kernels before
# 4.1 do not say which those are.
list_locked() {
  case $(uname -r) in
    [0-3].*) xargs -r ls -1d 2>/dev/null | while read -r place; do printf '%s\n' "$place"/*; done ;;
    *) xargs -r grep -lrs '^lock:' ;;
  esac | sed 's|/fdinfo/|/fd/|'
}

use_root_type() {
  [ -z "${root_type-}" ] || return 0
  root_type=unknown
  while read -r _ place kind _; do
    [ "$place" != / ] || root_type=$kind
  done </proc/mounts 2>/dev/null
}

# find_lock KIND...: the first lock that blocks the driver in use; sets lock_kind too. Kinds: package, debconf,
# passwd. Besides locked files there are files that contain a pid.
find_lock() {
  set_lock_files "$@"
  # shellcheck disable=SC2086
  if held_lock root $lock_files; then
    case $lock_file in
      /etc/*) lock_kind=passwd ;;
      /var/cache/debconf/*) lock_kind=debconf ;;
      *) lock_kind=package ;;
    esac
    return 0
  fi
  for lock_kind in "$@"; do
    case $lock_kind=$driver in
      package=dnf | package=zypper) rpm_lock_pid && return 0 ;;
      passwd=*) passwd_lock_pid && return 0 ;;
    esac
  done
  return 1
}

set_lock_files() {
  lock_files=''
  for lock_kind in "$@"; do
    case $lock_kind=$driver in
      package=?*) "${driver}_lock_files" ;;
      debconf=apt)
        lock_files="$lock_files /var/cache/debconf/config.dat /var/cache/debconf/passwords.dat /var/cache/debconf/templates.dat"
        ;;
      passwd=?*) lock_files="$lock_files /etc/.pwd.lock" ;;
    esac
  done
}

# Tools that change users leave files with their pid too.
passwd_lock_pid() {
  for lock_file in /etc/passwd.lock /etc/shadow.lock /etc/group.lock /etc/gshadow.lock /etc/subuid.lock /etc/subgid.lock; do
    [ -s "$lock_file" ] || continue
    lock_pid=$(tr -cd 0-9 <"$lock_file" 2>/dev/null)
    lock_name=''
    valid_number "$lock_pid" && has_roots_rights "$lock_pid" && read -r lock_name 2>/dev/null <"/proc/$lock_pid/comm"
    [ -z "$lock_name" ] || return 0
  done
  return 1
}

lock_facts() {
  [ -n "$driver" ] && find_lock package debconf passwd || return 0
  echo "lock_holder=$lock_name (pid $lock_pid)"
  echo "lock_kind=$lock_kind"
}

# A pid in a lock file may have become that of a user's process, for which these tools would wait.
drop_stale_passwd_locks() {
  for lock_file in /etc/passwd.lock /etc/shadow.lock /etc/group.lock /etc/gshadow.lock /etc/subuid.lock /etc/subgid.lock; do
    [ -s "$lock_file" ] || continue
    lock_pid=$(tr -cd 0-9 <"$lock_file" 2>/dev/null)
    valid_number "$lock_pid" && [ -e "/proc/$lock_pid" ] && ! has_roots_rights "$lock_pid" && rm -f "$lock_file"
  done
}

# Everybody may lock a file that everybody may read (the databases of debconf, the lock of rpm), and would block every
# package manager. Such a file is replaced by a copy of itself, which nobody has locked.
displace_locks_of_users() {
  # shellcheck disable=SC2086
  set -- $lock_files
  for shared in "$@"; do
    case $(stat -c %A "$shared" 2>/dev/null) in -??????r??) ;; *) continue ;; esac
    held_lock user "$shared" || continue
    echo "ospatch: $lock_name (pid $lock_pid), the process of a user, has locked $shared; the file is replaced by a copy"
    copy=$(mktemp "$shared.XXXXXX") && old=$(mktemp -u "$shared.XXXXXX") || continue
    before=$(stat -c '%i %Y %s' "$shared")
    if cp -a "$shared" "$copy" && [ "$(stat -c '%i %Y %s' "$shared")" = "$before" ] && ln "$shared" "$old" && mv -f "$copy" "$shared"; then
      # Someone of root's may have opened the old one just before.
      while held_lock root "$old" && lock_left; do sleep 1; done
    fi
    rm -f "$copy" "$old"
  done
}

# wait_for_locks: waits while someone holds a lock that this phase needs; $rc_locked on timeout.
wait_for_locks() {
  kinds=package
  case $phase in apply | repair) kinds='package debconf passwd' ;; esac
  shown=''
  # shellcheck disable=SC2086
  while find_lock $kinds; do
    lock_left || { give_up_lock; return $rc_locked; }
    [ "$shown" = "$lock_pid $lock_file" ] || echo "ospatch: waiting for $lock_file, held by $lock_name (pid $lock_pid)"
    shown="$lock_pid $lock_file"
    sleep 2
  done
  displace_locks_of_users
  case $kinds in *passwd*) drop_stale_passwd_locks ;; esac
  return 0
}

give_up_lock() {
  echo "ospatch: gave up waiting: $lock_file was held by $lock_name (pid $lock_pid) for $((lock_timeout / 60)) min"
}

# The log since retrying was called.
mark=0
recent_output() { tail -c "+$((mark + 1))" "$dir/log"; }

# retrying COMMAND...: retries while only a lock blocks it, which means that nothing was changed.
retrying() {
  wait_for_locks || return $?
  while :; do
    mark=$(stat -c %s "$dir/log")
    "$@" 2>&1 && return 0
    rc=$?
    recent_output | grep -qE "$lock_text" || return $rc
    ! recent_output | grep -q '^Unpacking ' || return $rc
    if ! lock_left; then
      # shellcheck disable=SC2086
      if find_lock $kinds; then give_up_lock; else echo 'ospatch: gave up waiting: a lock that nobody is seen to hold'; fi
      return $rc_locked
    fi
    sleep 5
    wait_for_locks || return $?
    echo 'ospatch: trying again'
  done
}

lock_text='Could not get lock|Unable to lock|Unable to acquire|was locked by another process'

# -------------------------------------------------------------------------------------------------------- full disks

disk_words='No space left|free space|more space|more inodes|quota exceeded|File too large|Read-only file system|Input/output error|write error|lz4: error|zstd: error|gzip: stdout|cannot copy extracted|paste subprocess|failed to write|cannot write'

# After a failure: usage of the file systems, `disk MOUNT FREE-KIB SIZE-KIB FREE-INODES INODES`; without a message about
# a full disk only the full ones, since maintainer scripts have messages of their own. Skips file systems that may hang.
show_disks() {
  words=no
  ! grep -qiE "$disk_words" "$dir/log" "$dir/simulation" 2>/dev/null || words=yes
  mounts=$(awk -v words="$words" '(words == "yes" || $4 !~ /^ro(,|$)/) && $3 ~ /^(ext[234]|xfs|btrfs|tmpfs|vfat|f2fs|zfs|overlay|jfs)$/ && $2 !~ /^\/(run\/(user|credentials|containerd|netns)|var\/lib\/(kubelet|containers|docker|containerd)|sys|proc|dev\/shm)/ && $2 !~ /\\/ && !seen[$2]++ { print $2 }' /proc/mounts | head -n 40)
  # shellcheck disable=SC2086
  { timeout 10 df -Pk $mounts; timeout 10 df -Pi $mounts; } 2>/dev/null | awk -v words="$words" '
    /^Filesystem/ { part++; next }
    part == 1 { size[$6] = $2; free[$6] = $4; order[++n] = $6 }
    part == 2 { inodes[$6] = $2; left[$6] = $4 }
    function full(m) { return free[m] < 1024 || (free[m] < 32768 && free[m] < size[m] / 100) || (inodes[m] > 0 && left[m] < 16) }
    END { for (i = 1; i <= n; i++) { m = order[i]; if (words == "yes" || full(m)) printf "ospatch: disk %s %.0f %.0f %.0f %.0f\n", m, free[m], size[m], left[m], inodes[m] } }'
}
