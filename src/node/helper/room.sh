# --------------------------------------------------------------------------------------------- space for the plan

# room_lines DIR: free space on the file systems that a patch writes to, and the needs of the plan in DIR; nothing
# without a plan.
#   room on PLACE ID KIB INODES         free; ID is that of the file system, INODES -1 where inodes are dynamic
#   room plan DOWNLOAD GROWTH LARGEST   KiB to download, KiB of growth after installation, KiB of the largest package
#   room kernel NAME                    a package in the plan that brings a kernel
#   room boot KERNEL INITRD             KiB of the largest of each in /boot
#   room old KERNEL                     an installed kernel that neither runs nor will be started
room_lines() {
  if [ "$driver" = apt ]; then planned=$(apt_plan_lines "$1" | awk '$1 != "remove" { print $1, $2, $4 }')
  else planned=$(awk '$1 != "remove" && $1 != "obsolete" && $1 != "skip" { print $2, $3, $5 }' "$1/changes" 2>/dev/null); fi
  [ -n "$planned" ] || return 0
  timeout -k 1 5 stat -f -c '%n %i %a %S %c %d' / /usr /var /var/cache /var/tmp /boot /boot/efi /efi 2>/dev/null |
    while read -r place id free size inodes left; do
      [ "$inodes" -gt 0 ] || left=-1
      echo "room on $place $id $((free * (size / 512) / 2)) $left"
    done
  case $driver in
    apt) apt_room ;;
    dnf) dnf_room "$1" ;;
    zypper) zypper_room "$1" ;;
  esac
  kernels=$(printf '%s\n' "$planned" | sed -nE 's/^((linux-image|linux-modules|pve-kernel|proxmox-kernel|raspberrypi-kernel|kernel|linux)(-[^ ]*)?) .*/\1/p' |
    grep -vE -e '-(headers|devel|tools[^ ]*|doc|srpm-macros|libc-dev|base|firmware.*|macros)$|^linux-(base|libc|tools|doc|perf|pam)')
  [ -n "$kernels" ] || return 0
  echo "$kernels" | head -n 20 | sed 's/^/room kernel /'
  echo "room boot $(largest_kib /boot/vmlinuz-* /boot/vmlinux-* /boot/Image-*) $(largest_kib /boot/initrd.img-* /boot/initramfs-* /boot/initrd-*)"
  running=$(uname -r)
  read_boot_default
  kernel_images | while read -r image; do
    case $image in "$running" | "$starts") ;; *) [ ! -e "/boot/vmlinuz-$image" ] || echo "room old $image" ;; esac
  done | sort -u | head -n 20
}

largest_kib() { stat -L -c %s "$@" 2>/dev/null | awk '$1 > most { most = $1 } END { print int((most + 1023) / 1024) }'; }

# Downloaded packages need no further space. apt-cache is called with exact versions instead of candidates, for
# which it would first resolve the dependencies of all packages.
apt_room() {
  # shellcheck disable=SC2046
  {
    printf '%s\n' "$planned" | sed 's/^/planned /'
    dpkg-query -W -f='old ${Package} ${Installed-Size}\n' $(printf '%s\n' "$planned" | cut -d' ' -f1) 2>/dev/null
    timeout 20 apt-cache -c "$apt_conf" show $(printf '%s\n' "$planned" | awk '{ print $1 ($2 == "all" || $2 == "" ? "" : ":" $2) "=" $3 }') 2>/dev/null |
      awk -F ': ' '
        $1 == "Package" { name = $2 } $1 == "Architecture" { arch = $2 } $1 == "Version" { version = $2 }
        $1 == "Installed-Size" { size = $2 } $1 == "Size" { download = $2 }
        $0 == "" && name != "" { print "new", name, arch, version, size + 0, download + 0; name = ""; size = download = 0 }'
  } | while read -r kind name arch version size download; do
    if [ "$kind" = new ]; then
      case $version in *:*) file=${name}_${version%%:*}%3a${version#*:}_$arch.deb ;; *) file=${name}_${version}_$arch.deb ;; esac
      [ ! -e "/var/cache/apt/archives/$file" ] || download=0
    fi
    echo "$kind $name $arch $version $size $download"
  done | awk '
    $1 == "planned" { planned[$2 ":" $3 "=" $4]; next }
    $1 == "old" { old[$2] = $3; next }
    !(($2 ":" $3 "=" $4) in planned) || seen[$2 ":" $3]++ { next }
    { total += $6 / 1024; if ($5 > most) most = $5; if ($5 > old[$2]) growth += $5 - old[$2] }
    END { printf "room plan %d %d %d\n", total + 0.99, growth, most }'
}

# Its summary: `Total download size: 120 M`, `Installed size: 300 M`.
dnf_room() {
  awk 'function kib(number, unit) { return number * (unit ~ /^[kK]/ ? 1 : unit ~ /^M/ ? 1024 : unit ~ /^G/ ? 1048576 : 1 / 1024) }
    /^Total download size:/ { download = kib($(NF - 1), $NF) }
    /^Installed size:/ { growth = kib($(NF - 1), $NF) }
    END { printf "room plan %d %d 0\n", download, growth }' "$1/simulation"
}

zypper_room() {
  sed -n 's/.*<install-summary.* download-size="\([0-9]*\)".*space-usage-diff="\(-\{0,1\}[0-9]*\)".*/\1 \2/p' "$1/simulation" | head -n 1 |
    awk '{ printf "room plan %d %d 0\n", $1 / 1024, ($2 > 0 ? $2 : 0) / 1024 }'
}
