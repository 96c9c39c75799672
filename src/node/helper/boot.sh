# ------------------------------------------------------------------------------------------------ kernel and boot loader
#
# The running kernel, the newest installed kernel, and the kernel that the boot loader will start. Only the last one
# decides whether a reboot brings a newer kernel.

# A container without a boot id of its own shows that of its host, which does not change when the container restarts;
# the start time of its init does. systemd-nspawn mounts a boot id of its own, which is recognised by its name.
use_boot_identity() {
  kernel_boot=''
  kind=''
  if has_systemd; then read -r kind 2>/dev/null </run/systemd/container || [ -n "$kind" ] || return 0
  else kind=$(container_of_init); fi
  case $kind in '' | none) return 0 ;; esac
  if [ "$kind" = systemd-nspawn ]; then
    own=no
    while read -r _ _ _ root place _; do
      [ "$place" = /proc/sys/kernel/random/boot_id ] || continue
      case $root in *proc-sys-kernel-random-boot-id*) own=yes ;; *) own=no && break ;; esac
    done </proc/self/mountinfo
    [ "$own" = no ] || return 0
  fi
  read_process 1 || return 0
  kernel_boot=$boot
  boot=${boot%-*}-$(printf %012x "$p_begun")
}

# What all names of kernels have in common. kernel_flavour: what is left of a name without its version (amd64,
# cloud-amd64, generic, default, lts, rpi-v8, x86_64, uek-x86_64): the kernels of one flavour replace each other.
# kernel_compare: > 0 when the first is newer, part by part as rpm does: a number is newer than letters, more parts are
# newer than fewer, a release candidate is older than its release.
# shellcheck disable=SC2016
kernel_names='
  function kernel_flavour(name,   parts, n, i, p, left) {
    n = split(name, parts, /[-.+~]/); left = ""
    for (i = 1; i <= n; i++) {
      p = parts[i]
      if (p ~ /^[0-9]*(rc[0-9]*)?$/) continue
      if (p ~ /^(deb|bpo|rpt|fc|amzn|lp|azl|cm|mga|oe|an|tl|ky)[0-9_]*$/) continue
      if (p ~ /^g[0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f][0-9a-f]+$/) continue
      if (p ~ /^el[0-9_]+/) { sub(/^el[0-9_]+/, "", p); if (p == "") continue }
      if (p ~ /^rt[0-9]+$/) p = "rt"
      left = left (left == "" ? "" : "-") p
    }
    return left
  }
  function kernel_tokens(name, into,   n) {
    n = 0
    while (name != "") {
      if (match(name, /^~/)) into[++n] = "~"
      else if (match(name, /^[0-9]+/) || match(name, /^[A-Za-z]+/)) into[++n] = substr(name, 1, RLENGTH)
      else match(name, /^[^0-9A-Za-z~]+/)
      if (RLENGTH < 1) RLENGTH = 1
      name = substr(name, RLENGTH + 1)
    }
    return n
  }
  function kernel_rank(token) { return token == "~" ? 0 : token ~ /^(rc|pre|alpha|beta)$/ ? 1 : token == "" ? 2 : token ~ /^[0-9]/ ? 4 : 3 }
  function kernel_compare(a, b,   x, y, i, n, m, r, s) {
    n = kernel_tokens(a, x); m = kernel_tokens(b, y)
    for (i = 1; i <= n || i <= m; i++) {
      if (i > n) x[i] = ""
      if (i > m) y[i] = ""
      r = kernel_rank(x[i]); s = kernel_rank(y[i])
      if (r != s) return r - s
      if (r == 4 && x[i] + 0 != y[i] + 0) return x[i] + 0 > y[i] + 0 ? 1 : -1
      if (r == 3 && x[i] != y[i]) return x[i] > y[i] ? 1 : -1
    }
    return 0
  }'

# The installed kernels, one name per line: images with a version in their name, and directories of
# modules that hold an image.
kernel_images() {
  for image in /boot/vmlinuz-* /boot/vmlinux-* /boot/Image-* /boot/image-* /boot/kernel-* /lib/modules/*/vmlinuz; do
    [ -e "$image" ] || continue
    case $image in
      *.old | *.bak | *.dpkg-* | *.rpm* | *.hmac | *.gz | *.sha* | *rescue* | *kdump* | *.efi | *.signed) continue ;;
      /lib/modules/*) image=${image%/vmlinuz} && echo "${image##*/}" ;;
      /boot/*-[0-9]*) echo "${image#/boot/*-}" ;;
    esac
  done
}

# kernel_versions RUNNING DEFAULT, installed kernels on stdin: the newest of the running flavour, or -; DEFAULT
# compared with the running kernel: newer, older, same, other (another flavour) or -; and compared with the newest:
# newest, behind, other-flavour or unknown.
kernel_versions() {
  awk -v running="$1" -v starts="$2" "$kernel_names"'
    kernel_flavour($0) == kernel_flavour(running) { if (newest == "" || kernel_compare($0, newest) > 0) newest = $0 }
    END {
      how = "-"; rank = "unknown"
      if (starts != "") {
        if (kernel_flavour(starts) != kernel_flavour(running)) rank = "other-flavour"
        else if (newest != "") rank = kernel_compare(newest, starts) > 0 ? "behind" : "newest"
        order = kernel_compare(starts, running)
        how = starts == running ? "same" : kernel_flavour(starts) != kernel_flavour(running) ? "other" : order > 0 ? "newer" : "older"
      }
      print (newest == "" ? "-" : newest), how, rank
    }'
}

# ------------------------------------------------------------------------------------------------- boot loaders: readers
#
# Each prints `loader NAME`, `kernel PATH` of the kernel to be started, `initrd PATH` for each initrd, `pin TEXT` when
# the entry was selected explicitly, `once TEXT` when the selection is for one boot, and `other-initrds` when other
# entries have one.

# blscfg of GRUB and systemd-boot read entries of this format; both sort them by version, newest first.
# shellcheck disable=SC2016
boot_entries='
  function entry_line(   value) {
    if (FNR == 1) {
      bls++; id = FILENAME; sub(/.*\//, "", id); sub(/\.conf$/, "", id); bls_id[bls] = id; bls_place[bls] = FILENAME
    }
    value = $0; sub(/^[ \t]*[^ \t]+[ \t]+/, "", value); sub(/[ \t\r]+$/, "", value)
    if ($1 == "title") bls_title[bls] = value
    else if ($1 == "version") bls_version[bls] = value
    else if ($1 == "sort-key") bls_sort[bls] = value
    else if ($1 == "linux" || $1 == "efi") bls_linux[bls] = $2
    else if ($1 == "initrd" && $2 !~ /^\$/) bls_initrd[bls] = bls_initrd[bls] $2 " "
  }
  # Entries whose boot attempts have failed come last.
  function entry_failed(i) { return bls_id[i] ~ /\+0(-[0-9]+)?$/ }
  function entry_before(i, j,   order) {
    if (entry_failed(i) != entry_failed(j)) return entry_failed(j)
    if (!by_id) {
      if ((bls_sort[i] != "") != (bls_sort[j] != "")) return bls_sort[i] != ""
      if (bls_sort[i] != bls_sort[j]) return bls_sort[i] < bls_sort[j]
      if (bls_sort[i] != "") { order = kernel_compare(bls_version[i], bls_version[j]); if (order) return order > 0 }
    }
    return kernel_compare(bls_id[i], bls_id[j]) > 0
  }
  function sort_entries(   i, j, k) {
    for (i = 1; i <= bls; i++) {
      for (j = i; j > 1 && entry_before(i, sorted[j - 1]); j--) sorted[j] = sorted[j - 1]
      sorted[j] = i
    }
  }'

grub_default() {
  for config in /boot/grub/grub.cfg /boot/grub2/grub.cfg /boot/efi/EFI/*/grub.cfg; do
    [ ! -s "$config" ] || { read_grub "$config" /boot/loader/entries/*.conf && return; }
  done
  return 1
}

# read_grub CONFIG ENTRY...
read_grub() {
  config=$1
  shift
  next_entry='' saved_entry=''
  # The GRUB environment block is a file of 1024 bytes.
  while IFS= read -r line; do
    case $line in next_entry=*) next_entry=${line#*=} ;; saved_entry=*) saved_entry=${line#*=} ;; esac
  done 2>/dev/null <"${config%/*}/grubenv"
  [ -r "${1-}" ] || set --
  NEXT=$next_entry SAVED=$saved_entry awk -v by_id=1 "$kernel_names$boot_entries"'
    FILENAME ~ /\.conf$/ { entry_line(); next }
    function quoted(text,   q, rest) {
      if (!match(text, /["'\''"]/)) { sub(/^[ \t]+/, "", text); sub(/[ \t{].*/, "", text); return text }
      q = substr(text, RSTART, 1); rest = substr(text, RSTART + 1)
      return substr(rest, 1, index(rest, q) - 1)
    }
    function add(parent, title, id, kind) {
      nodes++; title_of[nodes] = title; id_of[nodes] = id; parent_of[nodes] = parent
      kind_of[nodes] = kind; place_of[nodes] = count[parent] + 0; count[parent]++
      return nodes
    }
    { line = $0; sub(/^[ \t]+/, "", line) }
    line ~ /^#/ { next }
    line ~ /^(menuentry|submenu)[ \t]/ {
      kind = line ~ /^submenu/ ? "submenu" : "entry"
      head = line; sub(/^(menuentry|submenu)[ \t]+/, "", head)
      id = ""
      if (match(head, /(\$menuentry_id_option|--id)[ \t=]+/)) id = quoted(substr(head, RSTART + RLENGTH))
      depth++; stack[depth] = here + 0; here = add(here + 0, quoted(head), id, kind); block[depth] = 1
      next
    }
    line ~ /\{[ \t]*$/ { depth++; block[depth] = 0; next }
    line ~ /^\}/ { if (depth) { if (block[depth]) here = stack[depth]; depth-- } next }
    line ~ /^if[ \t]/ { ifs++; condition[ifs] = line; next }
    line ~ /^elif[ \t]/ { condition[ifs] = line; next }
    line ~ /^fi([ \t;]|$)/ { if (ifs) ifs--; next }
    line ~ /^blscfg/ && !here { for (i = 1; i <= bls; i++) entries_here[add(0, "", "", "bls")] = i; next }
    line ~ /^set[ \t]+default=/ && !here {
      # A fallback entry for failed boots is not a selection.
      for (i = 1; i <= ifs; i++) if (condition[i] ~ /boot_counter/) next
      value = line; sub(/^set[ \t]+default=/, "", value); value = quoted(value)
      if (value ~ /next_entry/) one_time = 1; else chosen = value
      next
    }
    here && line ~ /^(linux|linux16|linuxefi|module|module2|initrd|initrd16|initrdefi|chainloader)[ \t]/ {
      n = split(line, word, /[ \t]+/)
      for (i = 2; i <= n && word[i] ~ /^-/; i++);
      if (word[1] ~ /^linux/ || (word[1] ~ /^module/ && word[i] ~ /vmlinu|[Ii]mage/)) {
        if (!(here in linux_of)) linux_of[here] = word[i]
      } else if (word[1] ~ /^initrd/ || word[1] ~ /^module/) {
        for (; i <= n; i++) if (word[i] ~ /^[(\/]/ && index(" " initrd_of[here], " " word[i] " ") == 0) initrd_of[here] = initrd_of[here] word[i] " "
      } else if (!(here in linux_of)) linux_of[here] = "-"
    }
    function find(parent, name,   i) {
      for (i = 1; i <= nodes; i++) if (parent_of[i] == parent) {
        if (name ~ /^[0-9]+$/ ? place_of[i] == name + 0 : name == title_of[i] || name == id_of[i]) return i
      }
      return 0
    }
    END {
      sort_entries()
      for (i = 1; i <= nodes; i++) if (kind_of[i] == "bls") {
        j = sorted[entries_here[i]]; title_of[i] = bls_title[j]; id_of[i] = bls_id[j]
        linux_of[i] = bls_linux[j]; initrd_of[i] = bls_initrd[j]
      }
      wanted = chosen; pin = ""
      if (chosen ~ /saved_entry/) {
        wanted = ENVIRON["SAVED"]
        if (wanted != "") pin = "saved_entry=" wanted " of GRUB"
      } else if (chosen != "" && chosen != "0") pin = "GRUB_DEFAULT=" chosen
      if (one_time && ENVIRON["NEXT"] != "") { wanted = ENVIRON["NEXT"]; pin = "next_entry=" wanted " of GRUB"; once = 1 }
      n = split(wanted, path, ">"); at = 0
      for (i = 1; i <= n; i++) { next_at = find(at, path[i]); if (!next_at) { at = 0; break } at = next_at }
      # A missing entry, or one without a name, means the first one.
      if (!at) { if (wanted != "" && pin != "") pin = pin ", which is in no menu"; at = find(0, "0") }
      while (at && kind_of[at] == "submenu") at = find(at, "0")
      if (!at || !(at in linux_of) || linux_of[at] == "") exit 1
      print "loader grub"
      print "kernel", linux_of[at]
      m = split(initrd_of[at], word, " ")
      for (i = 1; i <= m; i++) print "initrd", word[i]
      if (pin != "") print (once ? "once" : "pin"), pin
      for (i in initrd_of) if (initrd_of[i] != "") { print "other-initrds"; break }
    }' "$@" "$config"
}

# efi_variable NAME: a text of the boot loader, which is UTF-16 after four bytes.
efi_variable() {
  file=/sys/firmware/efi/efivars/$1-4a67b082-0a4c-41cf-b6c7-442b29bb8c4f
  [ -r "$file" ] && tail -c +5 "$file" 2>/dev/null | tr -d '\000'
}

# The program of the boot loader knows entries on other partitions and unified images too.
bootctl_default() {
  command -v bootctl >/dev/null 2>&1 || return 1
  once=$(efi_variable LoaderEntryOneShot)
  chosen=$(efi_variable LoaderEntryDefault)
  ask bootctl 5 bootctl --no-pager list 2>/dev/null </dev/null | ONCE=$once CHOSEN=$chosen awk '
    function tell(   i) {
      if (linux == "" || told) return
      if (ENVIRON["ONCE"] != "" ? id != ENVIRON["ONCE"] : !chosen) return
      told = 1; print "loader systemd-boot"; print "kernel", linux
      for (i = 1; i <= initrds; i++) print "initrd", initrd[i]
      if (ENVIRON["ONCE"] != "") print "once the one-time entry " id " of systemd-boot"
      else if (ENVIRON["CHOSEN"] != "") print "pin the default entry " id " of systemd-boot"
    }
    function value(   text) { text = $0; sub(/^[^:]*:[ \t]*/, "", text); return text }
    $1 == "type:" { tell(); linux = ""; initrds = 0; chosen = 0; id = "" }
    $1 == "title:" { chosen = /\(default\)/ }
    $1 == "id:" { id = value() }
    $1 == "linux:" || $1 == "efi:" { linux = value(); sub(/ .*/, "", linux) }
    $1 == "source:" && linux == "" && /\.efi$/ { linux = value() }
    $1 == "initrd:" { initrd[++initrds] = value(); next }
    { sub(/^[ \t]+/, ""); if (initrds && /^\//) initrd[++initrds] = $0 }
    END { tell(); exit !told }'
}

# Reads the entries directly where bootctl gives no answer.
loader_entries_default() {
  for place in /boot /efi /boot/efi; do
    [ ! -r "$place/loader/loader.conf" ] || { read_entries "$place/loader" && return; }
  done
  return 1
}

read_entries() {
  wanted=''
  while read -r key value _; do [ "$key" != default ] || wanted=$value; done <"$1/loader.conf"
  set -- "$1"/entries/*.conf
  [ -r "$1" ] || return 1
  WANTED=$wanted awk "$kernel_names$boot_entries"'
    { entry_line() }
    function pattern(glob) {
      gsub(/[.+]/, "[&]", glob); gsub(/\*/, ".*", glob); gsub(/\?/, ".", glob)
      return "^" glob "$"
    }
    END {
      sort_entries(); at = sorted[1]
      wanted = ENVIRON["WANTED"]; sub(/\.conf$/, "", wanted)
      if (wanted != "" && wanted !~ /^@/) for (i = 1; i <= bls; i++) if (bls_id[sorted[i]] ~ pattern(wanted)) { at = sorted[i]; found = 1; break }
      if (bls_linux[at] == "") exit 1
      print "loader systemd-boot"; print "kernel", bls_linux[at]
      n = split(bls_initrd[at], word, " ")
      for (i = 1; i <= n; i++) print "initrd", word[i]
      # A pattern that selects the newest of several is not a pin.
      if (found && wanted !~ /\*$/) print "pin default " wanted " in loader.conf"
      for (i = 1; i <= bls; i++) if (bls_initrd[i] != "") { print "other-initrds"; break }
    }' "$@"
}

# U-Boot, extlinux and syslinux share a format; zipl nearly does.
extlinux_default() {
  for file in /boot/extlinux/extlinux.conf /boot/extlinux.conf /extlinux/extlinux.conf /boot/syslinux/syslinux.cfg /boot/syslinux/extlinux.conf; do
    [ ! -r "$file" ] || { read_extlinux "$file" && return; }
  done
  return 1
}

read_extlinux() {
  awk -v place="$1" '
    { key = tolower($1) }
    key == "default" && $2 !~ /\.c32$/ { wanted = $2 }
    key == "label" { label = $2; order[++n] = label }
    key == "menu" && tolower($2) == "default" { marked = label }
    (key == "linux" || key == "kernel") && $2 !~ /\.c32$/ { linux[label] = $2 }
    key == "fdt" { next }
    key == "initrd" { initrd[label] = $2 }
    key == "append" { for (i = 2; i <= NF; i++) if ($i ~ /^initrd=/) initrd[label] = substr($i, 8) }
    END {
      if (!(wanted in linux)) wanted = marked != "" ? marked : order[1]
      if (linux[wanted] == "") exit 1
      print "loader extlinux"; print "kernel", linux[wanted]
      m = split(initrd[wanted], word, ",")
      for (i = 1; i <= m; i++) print "initrd", word[i]
      if (wanted != order[1] && wanted != "l0") print "pin default " wanted " in " place
      for (i in initrd) { print "other-initrds"; break }
    }' "$1"
}

raspberry_default() {
  for place in /boot/firmware /boot; do
    [ -r "$place/config.txt" ] || continue
    kernel='' initrd='' auto=no
    while IFS='=' read -r key value; do
      case $key in
        kernel) kernel=${value%% *} ;;
        initramfs\ *) initrd=${key#initramfs } && initrd=${initrd%% *} ;;
        auto_initramfs) auto=$value ;;
      esac
    done <"$place/config.txt"
    if [ -z "$kernel" ]; then
      # Among 64-bit images the firmware prefers that of its own board.
      read -r model 2>/dev/null </proc/device-tree/model || [ -n "${model-}" ] || model=''
      for name in kernel_2712.img kernel8.img kernel7l.img kernel7.img kernel.img; do
        case $name:$model in kernel_2712.img:*'Pi 5'* | kernel_2712.img:*'Module 5'* | kernel8.img:* | kernel7*:* | kernel.img:*) ;; *) continue ;; esac
        [ ! -e "$place/$name" ] || { kernel=$name && break; }
      done
    fi
    [ -n "$kernel" ] || continue
    echo 'loader raspberry'
    echo "kernel $place/$kernel"
    case $kernel in kernel*.img) [ "$auto" != 1 ] || initrd=initramfs${kernel#kernel} && initrd=${initrd%.img} ;; esac
    [ -z "$initrd" ] || echo "initrd $place/$initrd"
    case $kernel in *-[0-9]*) ;; *) echo copy ;; esac
    return
  done
  return 1
}

zipl_default() {
  [ -r /etc/zipl.conf ] || return 1
  awk -F '[ \t]*=[ \t]*' '
    { sub(/^[ \t]+/, ""); sub(/[ \t]+$/, "") }
    /^\[/ { section = $0; gsub(/[][]/, "", section); next }
    $1 == "default" { wanted = $2 }
    $1 == "image" { image[section] = $2 }
    $1 == "ramdisk" { ramdisk[section] = $2; sub(/,.*/, "", ramdisk[section]) }
    END {
      if (image[wanted] == "") exit 1
      print "loader zipl"; print "kernel", image[wanted]
      if (ramdisk[wanted] != "") { print "initrd", ramdisk[wanted]; print "other-initrds" }
    }' /etc/zipl.conf
}

# The Proxmox tool writes boot partitions that are not mounted, from the kernels and pins stored here.
proxmox_default() {
  [ -s /etc/kernel/proxmox-boot-uuids ] || return 1
  pin=''
  if read -r pin 2>/dev/null </etc/kernel/next-boot-pin && [ -n "$pin" ]; then how='once next-boot-pin'
  elif read -r pin 2>/dev/null </etc/kernel/proxmox-boot-pin && [ -n "$pin" ]; then how='pin proxmox-boot-tool kernel pin'
  else
    pin=$(kernel_images | grep -e '-pve$' | awk "$kernel_names"'{ if (best == "" || kernel_compare($0, best) > 0) best = $0 } END { print best }')
    how=''
  fi
  [ -n "$pin" ] || return 1
  echo 'loader proxmox-boot-tool'
  echo "kernel /boot/vmlinuz-$pin"
  echo "initrd /boot/initrd.img-$pin"
  [ -z "$how" ] || echo "$how $pin"
}

# Boot loaders outside of the machine, and old ones, follow these links.
link_default() {
  for link in /vmlinuz /boot/vmlinuz /boot/Image /boot/image; do
    [ -L "$link" ] && target=$(readlink -f "$link") && [ -n "$target" ] || continue
    echo 'loader link'
    echo "kernel $target"
    for initrd in /initrd.img /boot/initrd.img /boot/initrd; do
      [ "${initrd%/*}" = "${link%/*}" ] && [ -L "$initrd" ] && echo "initrd $(readlink -f "$initrd")" && break
    done
    return
  done
  return 1
}

boot_default() {
  case $(efi_variable LoaderInfo) in
    systemd-boot*) proxmox_default || bootctl_default || loader_entries_default && return ;;
  esac
  grub_default || proxmox_default || loader_entries_default || extlinux_default || raspberry_default || zipl_default || link_default
}

# Sets found to the file that the boot loader calls $1: its paths start at a partition or subvolume.
find_boot_file() {
  found=''
  name=${1#(*)}
  name=/${name#/}
  for place in "$name" "/boot$name" "/boot/${name##*/}" "/boot/efi$name" "/efi$name" "/boot/firmware$name" "/boot/extlinux$name"; do
    [ ! -e "$place" ] || { found=$place && return; }
  done
  return 1
}

# The version of a kernel by its file name, its link target, or the header of an x86 image.
kernel_version_of() {
  version=''
  for file in "$1" "$(readlink -f "$1" 2>/dev/null)"; do
    name=${file##*/}
    case $name in
      linux | vmlinuz) name=${file%/*} && name=${name##*/} ;;
    esac
    case $name in
      [0-9]*.[0-9]*) version=$name && return ;;
      vmlinu[xz]-[0-9]* | [Ii]mage-[0-9]* | kernel-[0-9]*) version=${name#*-} && return ;;
      *-[0-9]*.[0-9]*.efi) version=${name%.efi} && version=${version#*-} && return ;;
    esac
  done
  [ -r "$1" ] || return 1
  at=$(od -An -tu2 -j 526 -N 2 "$1" 2>/dev/null) || return 1
  [ "$(od -An -tx1 -j 514 -N 4 "$1" 2>/dev/null)" = ' 48 64 72 53' ] || return 1
  version=$(tail -c "+$((at + 513))" "$1" | head -c 100 | tr '\000' '\n' | head -n 1 | cut -d' ' -f1)
  case $version in [0-9]*.[0-9]*) ;; *) version='' && return 1 ;; esac
}

# A copy without a version in its name is identified by its original.
version_of_copy() {
  version=''
  for image in $(kernel_images); do
    for file in "/boot/vmlinuz-$image" "/lib/modules/$image/vmlinuz"; do
      [ -e "$file" ] && cmp -s "$1" "$file" && version=$image && return
    done
  done
  return 1
}

# Sets loader, boot_kernel, boot_initrds, boot_pin and starts (the version); empty when unknown.
read_boot_default() {
  loader='' boot_kernel='' boot_initrds='' boot_pin='' starts='' boot_copy=no boot_other_initrds=no
  answer=$(boot_default 2>/dev/null) || return 1
  while read -r key value; do
    case $key in
      loader) loader=$value ;;
      kernel) boot_kernel=$value ;;
      initrd) boot_initrds="$boot_initrds $value" ;;
      pin) boot_pin=$value ;;
      once) boot_pin="$value (for one boot)" ;;
      copy) boot_copy=yes ;;
      other-initrds) boot_other_initrds=yes ;;
    esac
  done <<ANSWER
$answer
ANSWER
  if find_boot_file "$boot_kernel"; then boot_kernel=$found
    if [ "$boot_copy" = yes ] && version_of_copy "$boot_kernel"; then starts=$version; return; fi
  fi
  if kernel_version_of "$boot_kernel"; then starts=$version; fi
}

kernel_facts() {
  running=$(uname -r)
  echo "kernel_running=$running"
  [ -z "$kernel_boot" ] || echo "kernel_boot_id=$kernel_boot"
  container=$(ask systemd-detect-virt 5 systemd-detect-virt -c 2>/dev/null)
  has_systemd || container=$(container_of_init)
  boot_kernel=''
  case $container in '' | none) ;; *) echo "container=$container" && return ;; esac
  read_boot_default
  images=$(kernel_images)
  if [ -z "$images" ] && [ "$driver" = apk ]; then images=$(apk_kernels); fi
  read -r newest order rank <<VERSIONS
$(printf '%s\n' "$images" | kernel_versions "$running" "$starts")
VERSIONS
  [ "$newest" != - ] || newest=''
  [ -z "$newest" ] || echo "kernel_newest=$newest"
  [ -z "$loader" ] || echo "boot_loader=$loader"
  [ -z "$boot_pin" ] || echo "boot_pin=$boot_pin"
  echo "boot_order=$rank"
  expected=$starts
  if [ -n "$starts" ]; then echo "kernel_default=$starts"
  elif [ -n "$newest" ] && [ "$newest" != "$running" ]; then
    # With an unknown boot loader, the newest kernel is expected.
    expected=$newest
    read -r _ order _ <<VERSIONS
$(kernel_versions "$running" "$newest" </dev/null)
VERSIONS
  fi
  [ "$order" != newer ] || echo "reboot_reason=kernel $expected is installed, $running is running"
  # Kernels provided by a hypervisor may have no modules at all.
  if [ -s /proc/modules ] && [ ! -d "/lib/modules/$running" ]; then
    echo "reboot_reason=the modules of the running kernel $running are gone"
  fi
  # needrestart guesses from names and file times, so its result counts only without other data.
  if [ -z "$starts$newest" ] && [ -x /usr/sbin/needrestart ]; then
    case $(ask needrestart 5 needrestart -b -k -r l 2>/dev/null </dev/null) in
      *KSTA:\ [23]*) echo 'reboot_reason=needrestart: a newer kernel waits for a reboot' ;;
    esac
  fi
}

# ---------------------------------------------------------------------------------------------- files of the next boot

# boot_file_facts: `boot_file=KIND STATE BYTES LARGEST PATH` for the kernel and the initrds that the boot loader will
# load: STATE is whole, damaged, missing or unknown; LARGEST is the size of the largest other one.
boot_file_facts() {
  [ -n "$boot_kernel" ] || return 0
  boot_file kernel "$boot_kernel" /boot/vmlinuz-* /boot/vmlinux-* /boot/Image-*
  if [ -z "$boot_initrds" ]; then
    [ "$boot_other_initrds" = no ] || echo 'boot_file=initrd missing 0 0 -'
    return
  fi
  for initrd in $boot_initrds; do
    case $initrd in *ucode* | *early*) kind=early ;; *) kind=initrd ;; esac
    boot_file $kind "$initrd" /boot/initrd.img-* /boot/initramfs-*.img /boot/initrd-*
  done
}

# boot_file KIND PATH OTHER...
boot_file() {
  what=$1 wanted=$2
  shift 2
  find_boot_file "$wanted" || { echo "boot_file=$what missing 0 0 $wanted" && return; }
  largest=0 bytes=0
  [ "$what" != early ] || set --
  # Links to the same file are not other files.
  while read -r size name; do
    if [ "$name" = "$found" ]; then bytes=$size; continue; fi
    case $name in *rescue* | *kdump* | *.old | *.bak | *.dpkg-*) continue ;; esac
    [ -L "$name" ] || [ "$size" -le "$largest" ] || largest=$size
  done <<SIZES
$(stat -L -c '%s %n' "$found" "$@" 2>/dev/null)
SIZES
  if [ "$bytes" -eq 0 ]; then state=damaged; else is_whole "$found" "$what"; fi
  echo "boot_file=$what $state $bytes $largest $found"
}

magic_at() { od -An -v -tx1 -j "$2" -N 6 "$1" 2>/dev/null | tr -d ' \n'; }

# Sets state to whole, damaged or unknown. An initrd is a sequence of archives, of which the early ones are not
# compressed; compressed ones are decompressed completely.
is_whole() {
  at=0 state=unknown tries=0
  while [ "$tries" -lt 6 ]; do
    tries=$((tries + 1))
    case $(magic_at "$1" "$at") in
      1f8b*) tool=gzip ;;
      28b52ffd*) tool=zstd ;;
      fd377a585a00*) tool=xz ;;
      425a68*) tool=bzip2 ;;
      02214c18* | 04224d18*) tool=lz4 ;;
      5d0000*) tool=lzma ;;
      30373037*)
        # busybox cpio reports no positions.
        echo x | grep -ob x >/dev/null 2>&1 || return
        end=$(tail -c "+$((at + 1))" "$1" | grep -aobm1 'TRAILER!!!' | head -n 1)
        end=${end%%:*}
        # An archive without a trailer was truncated.
        case $end in '' | *[!0-9]*) state=damaged && return ;; esac
        at=$((at + (end + 11 + 511) / 512 * 512))
        state=whole
        continue
        ;;
      4d5a*) image_of_x86_is_whole "$1"; return ;;
      000000000000) [ "$at" -gt 0 ] && state=unknown || state=damaged; return ;;
      *) return ;;
    esac
    command -v "$tool" >/dev/null 2>&1 || return
    case $(tail -c "+$((at + 1))" "$1" | ask "the check of $1" 10 "$tool" -t 2>&1 >/dev/null && echo whole) in
      *whole) state=whole ;;
      # Data after an archive is not damage.
      *[Uu]nexpected* | *premature* | *truncated* | *[Uu]nfinished* | *incomplete* | *orrupt* | *'ead error'* | *crc* | *'invalid compressed'*)
        state=damaged ;;
      *) state=unknown ;;
    esac
    return
  done
}

# The header of such an image contains the size: a number of sectors, and paragraphs of 16 bytes.
image_of_x86_is_whole() {
  [ "$(magic_at "$1" 514 | cut -c1-8)" = 48647253 ] || return
  sectors=$(od -An -tu1 -j 497 -N 1 "$1") paragraphs=$(od -An -tu4 -j 500 -N 4 "$1")
  [ "$sectors" -gt 0 ] || sectors=4
  if [ "$(((sectors + 1) * 512 + paragraphs * 16))" -le "$bytes" ]; then state=whole; else state=damaged; fi
}
