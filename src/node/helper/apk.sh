# ------------------------------------------------------------------------------------------------- package manager: apk
#
# Changes have the format of dnf and zypper. The exit code of apk is its number of errors, so only 0 is meaningful.

apk_db=/lib/apk/db

kubernetes_apk='kubelet* kubeadm* kubectl* kubernetes* k3s* cri-tools* cni-plugins* containerd* docker docker-* runc* cri-o*'

# Waits for the lock, at most $lock_patience seconds per attempt; simulations need no lock.
lock_patience=604800
apk_call() {
  lock_left || left=1
  [ "$left" -le "$lock_patience" ] || left=$lock_patience
  apk --no-progress --wait "$left" "$@" </dev/null
}

# Settings of an administrator for apk 3 apply, except those that change the output parsed here, or
# make apk only simulate.
apk_output_settings='(quiet|verbose|progress|progress-fd|pretty-print|interactive|legacy-info|force-binary-stdout|simulate|help|version|print-arch)'

# apk_settings DIR: sets APK_CONFIG to a copy in DIR without those, and no_network to yes when apk must not use the network.
apk_settings() {
  no_network=no
  for file in ${APK_CONFIG:+"$APK_CONFIG"} /etc/apk/config /lib/apk/config; do
    [ -r "$file" ] || continue
    ! grep -qE '^ *(no-network|network +no) *(#|$)' "$file" || no_network=yes
    grep -vE "^ *(no-)?$apk_output_settings( |#|\$)" "$file" >"$1/apk-config"
    export APK_CONFIG="$1/apk-config"
    return
  done
}

# apk only warns about an unreachable or untrusted index, and continues without it.
apk_bad_index='^(ERROR: |WARNING: (updating|opening|Ignoring) |WARNING: .*(UNTRUSTED|untrusted))'

# apk_upgrade OPTION...: the upgrade by the policy, from the current indexes, in one transaction. world is not changed.
apk_upgrade() {
  # shellcheck disable=SC2086
  apk_call --cache-max-age 5256000 upgrade --no-self-upgrade "$@" ${ignored:+--ignore $ignored} 2>&1
}

# Sets guards to the globs of kept packages, and ignored to the installed packages among them.
apk_setup() {
  guards=$exclude
  [ "$kubernetes" = yes ] || ! is_kubernetes_node || guards="$guards $kubernetes_apk"
  ignored=''
  [ -n "$guards" ] || return 0
  set -f
  for name in $(apk_installed | cut -d' ' -f1); do
    for glob in $guards; do
      # shellcheck disable=SC2254
      case $name in $glob) ignored="$ignored $name" && break ;; esac
    done
  done
  set +f
}

apk_refresh() {
  apk_settings "$dir"
  failures=0
  while :; do
    wait_for_locks || return $?
    apk_call update >"$dir/update" 2>&1
    rc=$?
    cat "$dir/update"
    [ "$rc" -ne 0 ] || grep -qE "$apk_bad_index" "$dir/update" || return 0
    failures=$((failures + 1))
    [ "$failures" -lt 3 ] || return 1
    sleep $((failures * 2))
    echo 'ospatch: trying again'
  done
}

apk_plan() { plan_phase; }

apk_pending() {
  apk_settings "$1"
  apk_setup
  apk_simulate "$1"
  rc=$?
  plan_lines "$1" "$guards" "$kubernetes_apk"
  [ -z "$only" ] || echo 'no-security-data'
  apk_releases
  apk_newer "$1"
  apk_lists
  sed 's/^/out /' "$1/simulation"
  return $rc
}

# The package that carries the release number, and the release of each index: `v3.20.3-121-g...` for a stable release,
# a date for edge. Indexes of other vendors may contain anything.
apk_releases() {
  for name in alpine-release alpine-base; do
    ! grep -qx "P:$name" "$apk_db/installed" || echo "release $name -"
  done
  apk_indexes | sed -n 's/^v\([0-9]\{1,3\}\.[0-9]\{1,3\}\)[.-].*/source \1/p; s/^v[0-9]\{8\}.*/source edge/p' | sort -u
}

# Tagged repositories only serve packages that world requests with the tag.
apk_indexes() {
  tagged=$(sed -nE 's/^((v[23]|ndx) +)?@[^ ]+ +([^ ]+).*/\3/p' /etc/apk/repositories /etc/apk/repositories.d/*.list \
    /lib/apk/repositories.d/*.list 2>/dev/null)
  apk version --indexes 2>/dev/null | while read -r line; do
    url=${line##*\[}
    url=${url%\]}
    case "
$tagged
" in *"
${url%/}
"* | *"
${url%/}/
"*) ;; *) echo "$line" ;; esac
  done
}

# Prints what the upgrade would do; changes nothing.
apk_simulate() {
  : >"$1/changes"
  apk_upgrade --simulate >"$1/simulation"
  ! grep -qE "$apk_bad_index" "$1/simulation" || return 1
  # A partially installed package counts as an error here, but does not prevent an upgrade.
  grep -qE '^(OK: |[0-9]+ errors?; )' "$1/simulation" || return 1
  apk_installed >"$1/installed"
  apk_changes "$1/installed" "$(apk --print-arch)" <"$1/simulation" | sort -u >"$1/changes"
}

# apk_changes INSTALLED ARCH: reads `(1/3) Upgrading NAME (OLD -> NEW)`; a name may end in the tag of its repository.
apk_changes() {
  awk -v installed="$1" -v native="$2" '
    BEGIN {
      while ((getline line < installed) > 0) { split(line, p, " "); arch[p[1]] = p[2] }
      kind["Upgrading"] = "upgrade"; kind["Installing"] = "install"; kind["Purging"] = "remove"
      kind["Downgrading"] = "downgrade"; kind["Replacing"] = kind["Reinstalling"] = "reinstall"
    }
    !/^\([0-9]+\/[0-9]+\) / || /^\([0-9]+\/[0-9]+\) Updating pinning / { next }
    {
      name = $3; sub(/@.*/, "", name)
      a = (name in arch) ? arch[name] : native
      old = "-"; new = "-"
      from = $4; to = $NF
      gsub(/[()]/, "", from); gsub(/[()]/, "", to)
      if (!($2 in kind) || $4 !~ /^\(/ || (NF != 4 && !(NF == 6 && $5 == "->"))) { print "unknown", $2, "-", "-", "-"; next }
      if (kind[$2] == "install") new = to
      else if (kind[$2] == "remove") old = from
      else { old = from; new = to }
      print kind[$2], name, a, old, new
    }'
}

# Newer versions that are held, pinned in world, or blocked by dependencies; and packages without a repository. Names
# and versions may contain hyphens, so the list of installed packages is used to split them.
apk_newer() {
  { apk version -l '<'; apk list --orphaned; } 2>/dev/null |
    awk -v changes="$1/changes" -v installed="$1/installed" -v ignored="$ignored" '
      BEGIN {
        while ((getline line < changes) > 0) { split(line, p, " "); planned[p[2]] }
        while ((getline line < installed) > 0) { split(line, p, " "); name[p[1] "-" p[3]] = p[1] }
        while ((getline line < "/etc/apk/world") > 0) {
          n = split(line, p, " ")
          for (i = 1; i <= n; i++) if (match(p[i], /[<>=~]/)) {
            pinned = substr(p[i], 1, RSTART - 1); sub(/@.*/, "", pinned); pin[pinned] = p[i]
          }
        }
        n = split(ignored, names, " ")
        for (i = 1; i <= n; i++) held[names[i]]
      }
      !($1 in name) { next }
      { $1 = name[$1] }
      $2 != "<" { if ($1 !~ /^\./) print "orphan", $1; next }
      $1 in held { print "newer", $1; next }
      $1 in planned { next }
      $1 in pin { print "pinned", $1, $3, pin[$1]; next }
      { print "change skip", $1, "- - -" }' | sort -u
}

# Lists not refreshed for a week. A refresh renews all of them, unless apk must not use the network.
apk_lists() {
  [ "$no_network" = no ] || echo no-network
  [ -z "$(find /etc/apk/cache/ /var/cache/apk/ -name 'APKINDEX.*' -mtime +7 2>/dev/null)" ] || echo stale
}

# Downloads the packages of the plan into the apk cache; changes nothing else. apk 2 keeps packages only if an
# administrator has configured a cache.
apk_fetch() {
  apk_settings "$dir"
  apk_setup
  apk_simulate "$dir" || { cat "$dir/simulation"; return 1; }
  is_planned || return $rc_plan_changed
  wanted=$(awk '$1 != "remove" { print $2 "=" $5 }' "$dir/changes")
  [ -n "$wanted" ] || return 0
  keep=$(apk_keep_packages)
  [ -n "$keep" ] || [ -e /etc/apk/cache ] || {
    echo 'ospatch: apk has no cache here (/etc/apk/cache), so that the packages are downloaded by the upgrade itself'
    return 0
  }
  failures=0
  # shellcheck disable=SC2086
  until apk_call $keep --cache-max-age 5256000 cache download --upgrade $wanted 2>&1; do
    failures=$((failures + 1))
    [ "$failures" -lt 3 ] || return 1
    sleep $((failures * 2))
  done
}

# The option with which apk 3 caches packages without a configured cache.
apk_keep_packages() { case $(apk --version 2>/dev/null) in 'apk-tools '[3-9]*) echo --cache-packages ;; esac; }

# Packages cached for this upgrade only.
apk_drop_packages() {
  [ ! -e /etc/apk/cache ] || return 0
  while read -r _ name _ _ version; do rm -f /var/cache/apk/"$name-$version".*.apk; done <"$dir/changes"
}

apk_apply() {
  take_baseline || return $?
  apk_settings "$dir"
  apk_setup
  # A waiting apk would continue with the state left by the other one, which was not checked.
  lock_patience=0
  while :; do
    wait_for_locks || return $?
    apk_simulate "$dir" || { cat "$dir/simulation"; apk_report >"$dir/result"; return 1; }
    is_planned || return $rc_plan_changed
    rc=0
    [ -s "$dir/changes" ] || break
    mark=$(stat -c %s "$dir/log")
    # shellcheck disable=SC2046
    apk_upgrade $(apk_keep_packages)
    rc=$?
    [ "$rc" -ne 0 ] || { apk_drop_packages; break; }
    # Codes above its error count (up to 99, or 250) come from signals.
    [ "$rc" -gt 128 ] && [ "$rc" -lt 200 ] || rc=1
    # The lock holder may change the set meanwhile, so it is checked again.
    recent_output | grep -q '^ERROR: Unable to lock database' || break
    sleep 2
    wait_for_locks || { rc=$?; break; }
  done
  apk_report >"$dir/result"
  return "$rc"
}

# apk records packages that it could not install completely; these are reinstalled. An interrupted transaction leaves no
# record and is repeated by the next apply.
apk_repair() {
  wait_for_locks || return $?
  take_baseline || return $?
  apk_settings "$dir"
  apk_installed >"$dir/installed"
  rc=0
  if apk_problems | grep -q .; then
    apk_call fix --simulate >"$dir/simulation" 2>&1
    apk_changes "$dir/installed" - <"$dir/simulation" >"$dir/changes"
    if grep -q '^([0-9/]*) \[APK unavailable' "$dir/simulation"; then
      cat "$dir/simulation"
      echo 'ospatch: nothing was repaired, because no repository has these versions any more'
      rc=1
    elif grep -qv '^reinstall ' "$dir/changes"; then
      cat "$dir/simulation"
      echo 'ospatch: the repair would do more than install these packages again; nothing was done'
    elif apk_can_download; then
      apk_call fix 2>&1
    else
      rc=1
    fi
  fi
  apk_report >"$dir/result"
  # Packages that were removed, whatever their architecture and version.
  cut -d' ' -f1 "$dir/after" >"$dir/names"
  cut -d' ' -f1 "$dir/installed" | grep -vxFf "$dir/names" |
    sed 's/.*/problem & is no longer installed: the repair could not download it/' >>"$dir/result"
  if [ "$rc" -eq 0 ] && grep -q '^problem ' "$dir/result"; then rc=$rc_still_broken; fi
  return "$rc"
}

# `apk fix` removes a package from its database before downloading the new one, so an unavailable package would be
# lost. Prints the reason in apk's words; nothing was changed.
apk_can_download() {
  rm -rf "$dir/packages"
  mkdir "$dir/packages" || return 1
  missing=''
  while read -r _ name _ version _; do
    apk_call fetch --quiet --output "$dir/packages" "$name" 2>&1
    [ -s "$dir/packages/$name-$version.apk" ] || missing="$missing $name-$version"
  done <"$dir/changes"
  rm -rf "$dir/packages"
  [ -n "$missing" ] || return 0
  echo "ospatch: nothing was repaired, because it cannot be downloaded:$missing"
  return 1
}

# `name arch version` per line.
apk_installed() {
  awk '/^P:/ { name = substr($0, 3) } /^V:/ { version = substr($0, 3) } /^A:/ { arch = substr($0, 3) }
    /^$/ && name != "" { print name, arch, version; name = "" }' "$apk_db/installed" | sort
}

apk_problems() {
  [ -r "$apk_db/installed" ] || { echo 'the database of apk cannot be read' && return; }
  # Every record ends with an empty line.
  awk '/^P:/ { name = substr($0, 3) }
    /^f:.*f/ { print name " is not fully installed (files are missing)" }
    /^f:.*s/ { print name " is not fully installed (its script failed)" }
    END {
      if (name == "") print "the database of apk is empty"
      else if ($0 != "") print "the database of apk is cut off after " name
    }' "$apk_db/installed"
}

apk_report() {
  apk_installed >"$after"
  changed_since_baseline
  since=$(stat -c %Z "$dir/started")
  find /etc -xdev -name '*.apk-new' -exec stat -c '%Z %n' {} + 2>/dev/null |
    awk -v since="$since" '$1 >= since { sub(/^[0-9]+ /, "conffile "); print }' | head -n 100
  apk_problems | head -n 100 | sed 's/^/problem /'
}

apk_facts() {
  # Packages installed into memory are lost on the next boot.
  case $(awk '$2 == "/" { type = $3 } END { print type }' /proc/mounts) in
    tmpfs | ramfs | rootfs) echo 'image_based=diskless mode' ;;
  esac
  list=$(apk_installed)
  printf '%s\n' "$list" | sed 's/ /:/; s/ /=/' | sha256sum | sed 's/^\(.\{16\}\).*/packages_digest=\1/'
  printf '%s\n' "$list" | awk 'END { print "packages_count=" NR }'
  apk_problems | head -n 50 | sed 's/^/package_problem=/'
}

# By the packages of their modules: images in /boot have no version in their names.
apk_kernels() {
  sed -n 's|^F:\(usr/\)\{0,1\}lib/modules/\([^/]*\)/kernel$|\2|p' "$apk_db/installed" 2>/dev/null
}

apk_lock_files() { lock_files="$lock_files $apk_db/lock"; }
