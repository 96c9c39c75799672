# ------------------------------------------------------------------------------------------------------------- facts

# A part that hangs or is slow is omitted and reported, so that the others arrive in time. All slow commands
# run through here: ask PART LIMIT COMMAND... Outside of facts it just runs COMMAND.
ask() {
  part=$1 limit=$2
  shift 2
  [ -n "$facts_until" ] || { "$@"; return; }
  read -r up _ </proc/uptime
  left=$((facts_until - ${up%.*}))
  [ "$left" -ge "$limit" ] || limit=$left
  [ "$limit" -gt 0 ] || { echo "slow_part=$part (not asked after $facts_limit s)" >&3; return 124; }
  timeout -k 1 "$limit" "$@" 3>&-
  code=$?
  # Exit codes of GNU timeout, of SIGKILL, of busybox timeout.
  case $code in 124 | 137 | 143) echo "slow_part=$part (no answer within $limit s)" >&3 ;; esac
  return "$code"
}

os_facts() {
  [ -r /etc/os-release ] || return 0
  id='' codename=''
  while IFS='=' read -r key value; do
    unquote "$value"
    case $key in
      ID) echo "os_id=$text" && id=$text ;;
      VERSION_ID) echo "os_version_id=$text" ;;
      VERSION_CODENAME) echo "os_codename=$text" && codename=$text ;;
      PRETTY_NAME) echo "os_pretty_name=$text" ;;
      VARIANT_ID) echo "os_variant=$text" ;;
      SUPPORT_END) echo "support_end=$text" ;;
    esac
  done </etc/os-release
  if [ -r /etc/debian_version ]; then
    read -r text </etc/debian_version && echo "debian_version=$text"
  fi
  support_facts
  [ -d /run/systemd/system ] && echo systemd=yes
  [ -e /run/ostree-booted ] && echo image_based=ostree
  [ -x /usr/sbin/transactional-update ] && echo image_based=transactional-update
}

# End of life of the release according to distro-info-data, and whether a subscription extends it.
support_facts() {
  case $id in
    debian | ubuntu)
      [ -z "$codename" ] || [ ! -r "/usr/share/distro-info/$id.csv" ] || while IFS=, read -r _ _ series _ _ end longer _; do
        [ "$series" != "$codename" ] || echo "support_end=${longer:-$end}"
      done <"/usr/share/distro-info/$id.csv"
      [ ! -e /var/lib/ubuntu-advantage/private/machine-token.json ] || echo extended_support=pro
      ;;
    sles) for product in /etc/products.d/*[Ll][Tt][Ss][Ss]*.prod; do [ ! -e "$product" ] || echo extended_support=ltss; done ;;
  esac
}

package_facts() {
  [ -z "$driver" ] || "${driver}_facts"
}

reboot_facts() {
  [ -e /run/reboot-required ] || return 0
  # The same text, written again, is a new request.
  stat -c 'reboot_stamp=%Y' /run/reboot-required
  if [ -s /run/reboot-required.pkgs ]; then
    sort -u /run/reboot-required.pkgs | head -n 20 | sed 's/^/reboot_reason=package /'
  else
    echo 'reboot_reason=/run/reboot-required'
  fi
}

unit_facts() {
  if [ "$driver" = apk ] && ! has_systemd; then
    openrc_facts
    updater_facts </dev/null
    return
  fi
  command -v systemctl >/dev/null 2>&1 || return 0
  system_state_facts
  failed_unit_facts
  ask 'systemctl show' 10 systemctl show -p Id,ActiveState,Unit kubelet.service k3s.service k3s-agent.service \
    rke2-server.service rke2-agent.service k0scontroller.service k0sworker.service \
    snap.microk8s.daemon-kubelite.service yum-cron.service rebootmgr.service apt-daily.service \
    apt-daily-upgrade.service unattended-upgrades.service '*.timer' 2>/dev/null | updater_facts
  ! kured_runs || echo 'reboot_owner=kured'
}

system_state_facts() {
  if ! has_systemd; then openrc_state && echo "system_state=$system_state"; return; fi
  ask 'systemctl show' "$systemd_limit" systemctl show -p SystemState 2>/dev/null | sed -n 's/^SystemState=/system_state=/p'
}

# Free blocks and inodes where a patch writes. A file system with dynamic inodes (btrfs) reports 0 of 0. All at
# once, or one by one if one of them hangs.
disk_facts() {
  places='/ /var /usr /boot /run /tmp'
  # shellcheck disable=SC2086
  seen=$(timeout -k 1 5 stat -f -c '%n %a %S %c %d' $places 2>/dev/null)
  case $? in
    124 | 137 | 143)
      seen=$(for place in $places; do
        [ -d "$place" ] && ask "file system $place" 2 stat -f -c '%n %a %S %c %d' "$place" 2>/dev/null
      done)
      ;;
  esac
  printf '%s\n' "$seen" | while read -r place free size inodes left; do
    case $place in
      /) place=root ;;
      /*) place=${place#/} ;;
      *) continue ;;
    esac
    echo "disk_${place}_kib=$((free * (size / 512) / 2))"
    [ "$inodes" -le 0 ] || echo "disk_${place}_inodes=$left"
  done
}

job_facts() {
  alive
  case $? in
    0) echo "job=$(holder)" ;;
    2) echo job=unknown ;;
    *) left_running | sed 's/^/left_running=/' ;;
  esac
}

verb_facts() {
  exec 3>&1
  read -r up _ </proc/uptime
  facts_until=$((${up%.*} + facts_limit))
  say facts
  echo "boot_id=$boot"
  machine_id=''
  read -r machine_id 2>/dev/null </etc/machine-id
  case $machine_id in '' | *[!0-9a-f]*) ;; *) echo "machine_id=$machine_id" ;; esac
  os_facts
  use_manager
  [ -z "$manager" ] || echo "package_manager=${manager%-get}"
  echo "arch=$(uname -m)"
  # Both halves run concurrently and are printed in order. If either fails, `end` is missing.
  running_facts | {
    installed_facts </dev/null
    cat
  }
}

installed_facts() {
  kernel_facts
  reboot_facts
  boot_file_facts
  package_facts
  lock_facts
}

running_facts() {
  exec 3>&1 </dev/null
  unit_facts
  service_facts
  disk_facts
  job_facts
  date -u '+clock=%Y-%m-%dT%H:%M:%SZ'
  echo end
}

# A simulation that exceeds the limit is ended with all its programs, before the caller times out.
verb_pending() {
  # An interactive caller passes no policy, and has more time.
  if [ -t 0 ]; then pending_now; return; fi
  use_scratch
  cat <"$source" >"$scratch/ospatch-node" || cannot_write
  timeout -k 2 "$pending_limit" sh "$scratch/ospatch-node" _pending
  case $? in 124 | 137 | 143) refuse slow-pending 75 ;; esac
}

use_scratch() {
  scratch=$(mktemp -d /run/ospatch-pending.XXXXXX) || cannot_write
  trap 'rm -rf "$scratch"' EXIT
}

pending_now() {
  if [ -t 0 ]; then default_policy; else read_parameters; fi
  use_manager
  [ -n "$driver" ] || refuse unsupported
  if is_copy; then scratch=${0%/*}; else use_scratch; fi
  "${driver}_pending" "$scratch" >"$scratch/result"
  rc=$?
  [ "$rc" -ne 0 ] || room_lines "$scratch" >>"$scratch/result"
  say "state=done rc=$rc size=0 off=0 log=0 result=$(stat -c %s "$scratch/result") boot=$boot"
  cat "$scratch/result"
}
