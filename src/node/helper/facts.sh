# ------------------------------------------------------------------------------------------------------------- facts

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

package_facts() {
  [ -z "$driver" ] || "${driver}_facts"
}

reboot_facts() {
  [ -e /run/reboot-required ] || return 0
  # The same words, written anew, are another request.
  stat -c 'reboot_stamp=%Y' /run/reboot-required
  if [ -s /run/reboot-required.pkgs ]; then
    sort -u /run/reboot-required.pkgs | head -n 20 | sed 's/^/reboot_reason=package /'
  else
    echo 'reboot_reason=/run/reboot-required'
  fi
}

lock_facts() {
  [ -z "$driver" ] || "${driver}_lock_facts"
}

unit_facts() {
  if [ "$driver" = apk ] && ! has_systemd; then openrc_facts; return; fi
  command -v systemctl >/dev/null 2>&1 || return 0
  systemctl show -p SystemState 2>/dev/null | sed -n 's/^SystemState=/system_state=/p'
  failed_unit_facts
  systemctl show -p Id,ActiveState kubelet.service k3s.service k3s-agent.service rke2-server.service \
    rke2-agent.service k0scontroller.service k0sworker.service snap.microk8s.daemon-kubelite.service \
    dnf-automatic.timer dnf-automatic-install.timer dnf5-automatic.timer yum-cron.service \
    rebootmgr.service apt-daily.service apt-daily-upgrade.service apt-daily-upgrade.timer 2>/dev/null |
    while IFS='=' read -r key value; do
      case $key=$value in
        Id=*) name=$value ;;
        ActiveState=active | ActiveState=activating | ActiveState=reloading)
          case $name in
            rebootmgr.service) echo 'reboot_owner=rebootmgr' ;;
            apt-daily.service | apt-daily-upgrade.service) echo "updater_running=$name" ;;
            apt-daily-upgrade.timer) updater_settings ;;
            dnf*-automatic*.timer | yum-cron.service) dnf_automatic_settings "$name" ;;
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

# Its reboots are off by default.
dnf_automatic_settings() {
  echo "other_updater=${1%.*}"
  grep -qsE '^ *reboot *= *when-(needed|changed)' /etc/dnf/automatic.conf /etc/dnf/dnf5-plugins/automatic.conf || return 0
  echo "reboot_owner=${1%.*} with reboot"
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
  machine_id=''
  read -r machine_id 2>/dev/null </etc/machine-id
  case $machine_id in '' | *[!0-9a-f]*) ;; *) echo "machine_id=$machine_id" ;; esac
  os_facts
  use_manager
  [ -z "$manager" ] || echo "package_manager=${manager%-get}"
  echo "arch=$(uname -m)"
  kernel_facts
  reboot_facts
  boot_file_facts
  package_facts
  lock_facts
  unit_facts
  service_facts
  disk_facts
  job_facts
  date -u '+clock=%Y-%m-%dT%H:%M:%SZ'
  echo end
}

verb_pending() {
  # A person at a terminal gives no policy.
  if [ -t 0 ]; then default_policy; else read_parameters; fi
  use_manager
  [ -n "$driver" ] || refuse unsupported
  scratch=$(mktemp -d /run/ospatch-pending.XXXXXX) || refuse disk-full 73
  trap 'rm -rf "$scratch"' EXIT
  "${driver}_pending" "$scratch" >"$scratch/result"
  rc=$?
  say "state=done rc=$rc size=0 off=0 log=0 result=$(stat -c %s "$scratch/result") boot=$boot"
  cat "$scratch/result"
}
