# ------------------------------------------------------------------------------------- rpm after a transaction was killed
#
# An upgrade installs the new version, runs its scripts, and erases the old version last. A transaction killed before
# that leaves both in the database, and rpm does not record which scripts have run. So an ospatch transaction records what
# it installs until it has ended by itself; $state_dir/interrupted keeps what still has to be reinstalled, as
# `name arch version time-of-installation`.

# rpm_transaction COMMAND...: runs it, for the changes in $dir/changes.
rpm_transaction() {
  awk '$1 == "upgrade" || $1 == "install" || $1 == "reinstall" { print $2, $3, $5 }' "$dir/changes" >"$dir/begun"
  sync "$dir/begun" "$dir" 2>/dev/null
  "$@" 2>&1
  rc=$?
  [ "$rc" -gt 128 ] || rm -f "$dir/begun"
  return $rc
}

# rpm's errors about its database; rpm may exit with 0 nevertheless.
rpm_damage() {
  said=$(ask 'the rpm database' 15 rpm -qa 2>&1)
  rc=$?
  # A timeout does not mean damage.
  case $rc in 124 | 137 | 143) return ;; esac
  printf '%s\n' "$said" | awk -v rc="$rc" '
    /^error: .*(sqlite|malformed|atabase|rpmdb|Packages|db[3-5] error|FROM |skipping h#)/ { print; found = 1; exit }
    !/^(error|warning|rpm): / && NF { packages++ }
    END { if (!found && rc) print "rpm -qa ended with " rc; else if (!found && !packages) print "it holds no packages" }'
}

# Packages that were being installed when their transaction was killed, and still have that version.
rpm_interrupted() {
  noted=$(cat "$state_dir/interrupted" "$state_dir"/runs/*/begun 2>/dev/null | grep '^[A-Za-z0-9]' | sort -u)
  [ -n "$noted" ] || return 0
  set -f
  # shellcheck disable=SC2046
  {
    printf '%s\n\n' "$noted"
    ask 'the rpm database' 10 rpm -q --qf '%{NAME} %{ARCH} %|EPOCH?{%{EPOCH}:}:{}|%{VERSION}-%{RELEASE} %{INSTALLTIME}\n' \
      $(printf '%s\n' "$noted" | cut -d' ' -f1 | sort -u) 2>/dev/null
  } | awk '
    !body && NF == 0 { body = 1; next }
    !body && NF == 4 { timed[$1 " " $2 " " $3] = $4; next }
    !body { begun[$1 " " $2 " " $3]; next }
    { sub(/^0:/, "", $3); key = $1 " " $2 " " $3 }
    NF == 4 && $4 ~ /^[0-9]+$/ && (key in begun || timed[key] == $4) { print }' | sort -u
  set +f
}

rpm_interrupted_problems() {
  rpm_interrupted | awk '{ print $1 " " $3 "." $2 " is not fully installed (its scripts may not have run)" }'
}

# Repairs the result of a killed transaction. Only the older of two versions of a package is removed, and packages
# whose scripts may not have run are reinstalled in the same version.
rpm_repair() {
  if ! rpm_make_readable; then
    rpm_damage | sed 's/^/problem the rpm database cannot be read: /' >"$dir/result"
    return $rc_still_broken
  fi
  take_baseline || return $?
  rpm_note_interrupted
  rpm_erase_older
  rc=0
  rpm_interrupted >"$dir/again"
  if [ -s "$dir/again" ]; then
    rpm_reinstall
    rc=$?
  fi
  rpm_forget_reinstalled
  rpm_report >"$dir/result"
  [ "$rc" -eq 0 ] || return $rc
  if grep -q '^script-failed ' "$dir/result"; then return $rc_script_failed; fi
  ! grep -q '^problem ' "$dir/result" || return $rc_still_broken
}

# rpm --rebuilddb drops what it cannot read, and exits with 0 even when nothing is left.
rpm_make_readable() {
  damage=$(rpm_damage)
  [ -n "$damage" ] || return 0
  echo "ospatch: the rpm database cannot be read ($damage); it is rebuilt"
  rpm_db=$(readlink -f "$(rpm --eval '%_dbpath' 2>/dev/null)")
  [ -d "$rpm_db" ] && [ "$rpm_db" != / ] || { echo 'ospatch: cannot repair: the rpm database has no directory'; return 1; }
  copy=$state_dir/rpmdb
  rm -rf "$copy"
  if ! cp -a "$rpm_db" "$copy"; then
    rm -rf "$copy"
    echo "ospatch: cannot repair: a copy of the rpm database, which a rebuild needs, cannot be made in $state_dir"
    return 1
  fi
  rm -f "$rpm_db"/__db.*
  rpm --rebuilddb >"$dir/rebuild" 2>&1
  rc=$?
  cat "$dir/rebuild"
  if [ "$rc" -eq 0 ] && [ -z "$(rpm_damage)" ] && ! grep -qE "^error: .*(FROM 'Packages'|skipping h#)" "$dir/rebuild"; then
    rm -rf "$copy"
    return 0
  fi
  rm -rf "${rpm_db}rebuilddb."*
  find "$rpm_db" -mindepth 1 -delete
  cp -a "$copy/." "$rpm_db/" && rm -rf "$copy"
  echo "ospatch: cannot repair: a rebuild of the rpm database has failed or would lose packages; it is as it was ($damage)"
  return 1
}

# The older ones of several versions of a package, as `name arch version` in $dir/older; the newest is recorded.
rpm_note_interrupted() {
  rpm_installed >"$dir/now"
  rpm_duplicates <"$dir/now" >"$dir/duplicates"
  : >"$dir/older"
  : >"$dir/newest"
  while read -r name arch; do
    newest=''
    awk -v name="$name" -v arch="$arch" '$1 == name && $2 == arch { print $3 }' "$dir/now" >"$dir/versions"
    while read -r version; do
      if [ -z "$newest" ]; then newest=$version && continue; fi
      rpm_compare "$version" "$newest" || { newest='' && break; }
      if [ "$compared" -gt 0 ]; then older=$newest newest=$version; else older=$version; fi
      [ "$older" = "$newest" ] || echo "$name $arch $older" >>"$dir/older"
    done <"$dir/versions"
    [ -z "$newest" ] || echo "$name $arch $newest" >>"$dir/newest"
  done <"$dir/duplicates"
  mv "$dir/newest" "$dir/begun"
  rpm_interrupted >"$state_dir/interrupted.new"
  sync "$state_dir/interrupted.new" 2>/dev/null
  mv "$state_dir/interrupted.new" "$state_dir/interrupted" && rm -f "$state_dir"/runs/*/begun
}

# rpm_compare VERSION VERSION: sets compared to -1, 0 or 1; fails when rpm gives no answer.
rpm_compare() {
  one=$1 two=$2
  case $one in *:*) ;; *) one=0:$one ;; esac
  case $two in *:*) ;; *) two=0:$two ;; esac
  rpm_vercmp "${one%%:*}" "${two%%:*}" || return 1
  one=${one#*:} two=${two#*:}
  [ "$compared" -ne 0 ] || rpm_vercmp "${one%-*}" "${two%-*}" || return 1
  [ "$compared" -ne 0 ] || rpm_vercmp "${one##*-}" "${two##*-}"
}

rpm_vercmp() {
  case $1$2 in *[!A-Za-z0-9._+~^]*) return 1 ;; esac
  compared=$(rpm --eval "%{lua:print(rpm.vercmp('$1', '$2'))}" 2>/dev/null </dev/null)
  case $compared in -1 | 0 | 1) ;; *) return 1 ;; esac
}

rpm_erase_older() {
  while read -r name arch version; do
    # Not automatically, if the packages to keep could not be determined.
    grep -q "^$name $arch " "$state_dir/interrupted" || continue
    echo "ospatch: completing the upgrade of $name.$arch: erasing ${version#*:}"
    rpm -e --nodeps "$name-${version#*:}.$arch" 2>&1 </dev/null ||
      echo "ospatch: cannot repair: the older version of $name cannot be erased: $name-${version#*:}.$arch"
  done <"$dir/older"
}

# Whether $dir/changes may be executed: it reinstalls some of $dir/again, and does nothing else.
rpm_only_reinstalls() {
  awk 'FILENAME == ARGV[1] { again[$1 " " $2 " " $3]; next }
    $1 == "reinstall" && (($2 " " $3 " " $5) in again) { next }
    { print "ospatch: cannot repair: what was interrupted cannot be installed again by itself, it would also " $1 " " $2; bad = 1; exit }
    END { exit bad }' "$dir/again" "$dir/changes"
}

# rpm_name_missing: the part of $dir/again that is not in $dir/changes.
rpm_name_missing() {
  awk 'FILENAME == ARGV[1] { if ($1 == "reinstall") had[$2 " " $3 " " $5]; next }
    !(($1 " " $2 " " $3) in had) { print "ospatch: cannot repair: no package source has " $1 " " $3 ", whose installation was interrupted" }' \
    "$dir/changes" "$dir/again"
}

# rpm_reinstall: through DRIVER_reinstall_list, which writes the available ones to $dir/changes, and DRIVER_reinstall_now.
rpm_reinstall() {
  renewed=no
  while :; do
    "${driver}_reinstall_list" || return $?
    # Old lists may not contain it yet.
    if [ "$renewed" = no ] && [ "$(grep -c . <"$dir/changes")" -lt "$(grep -c . <"$dir/again")" ]; then
      renewed=yes
      "${driver}_refresh" && continue
    fi
    rpm_only_reinstalls || return $rc_still_broken
    rpm_name_missing
    [ -s "$dir/changes" ] || return $rc_still_broken
    awk '{ print $2, $3, $5 }' "$dir/changes" >"$dir/wanted"
    rpm_transaction "${driver}_reinstall_now" && return 0
    rc=$?
    # Or they contain removed packages. Retried only if nothing was changed.
    [ "$renewed" = no ] && [ "$rc" -le 128 ] && rpm_interrupted | cmp -s - "$dir/again" || return $rc
    renewed=yes
    "${driver}_refresh" || return $rc
    echo 'ospatch: trying again'
  done
}

# A package reinstalled with all its scripts, even if one of them failed, is no longer interrupted.
rpm_forget_reinstalled() {
  [ -e "$dir/wanted" ] && [ ! -e "$dir/begun" ] && [ "$rc" -eq 0 ] || : >"$dir/wanted"
  awk 'FILENAME == ARGV[1] { done[$1 " " $2 " " $3]; next } !(($1 " " $2 " " $3) in done)' "$dir/wanted" "$dir/again" >"$state_dir/interrupted.new"
  mv "$state_dir/interrupted.new" "$state_dir/interrupted"
}
