# ---------------------------------------------------------------------------------------------- package manager: zypper

zypper_call() {
  lock_left || left=1
  ZYPP_LOCK_TIMEOUT=$left ${zypp_conf:+env "ZYPP_CONF=$zypp_conf"} \
    zypper --non-interactive --non-interactive-include-reboot-patches "$@"
}

# zypper_setup DIR: adds locks of the policy to the node's own, for these calls only; sets what to patchlevel or newest.
zypper_setup() {
  rpm_held
  rpm_drop_stale_locks
  zypp_conf=''
  if [ -n "$held" ]; then
    {
      own=$(cat /etc/zypp/zypp.conf /usr/etc/zypp/zypp.conf 2>/dev/null | sed -n 's/^ *locksfile\.path *= *//p' | head -n 1)
      cat "${own:-/etc/zypp/locks}" 2>/dev/null
      set -f
      for glob in $held; do zypper_lock package "$glob"; done
      set +f
    } >"$1/locks"
    {
      echo '[main]'
      cat /etc/zypp/zypp.conf /usr/etc/zypp/zypp.conf 2>/dev/null | sed '/^\[main\]/d; /^ *locksfile\./d'
      echo "locksfile.path = $1/locks"
    } >"$1/zypp.conf"
    zypp_conf=$1/zypp.conf
  fi
  # Repositories with patches define maintenance updates by these; elsewhere the newest packages are taken.
  if zypper_call --no-refresh --quiet search -t patch >/dev/null 2>&1; then what='patch'; else what='update'; fi
  [ -z "$held" ] || [ "$what" = update ] || zypper_lock_patches >>"$1/locks"
}

zypper_lock() { printf '\ntype: %s\nmatch_type: glob\ncase_sensitive: on\nsolvable_name: %s\n' "$1" "$2"; }

# A patch that needs a held package cannot be applied partially: zypper would ask how to resolve the conflict.
zypper_lock_patches() {
  set -f
  names=$(zypper --non-interactive --config /dev/null --no-refresh --xmlout list-patches 2>/dev/null |
    awk 'BEGIN { RS = "<" } /^update / && /kind="patch"/ && match($0, / name="[A-Za-z0-9][^"]*"/) { print substr($0, RSTART + 7, RLENGTH - 8) }' |
    sort -u)
  # shellcheck disable=SC2086
  [ -z "$names" ] || zypper --non-interactive --config /dev/null --no-refresh info -t patch $names 2>/dev/null | zypper_patch_contents |
    while read -r patch package; do
      for glob in $held; do
        # shellcheck disable=SC2254
        case $package in $glob) zypper_lock patch "$patch" ;; esac
      done
    done
  set +f
}

# Reads `zypper info -t patch`: prints `PATCH PACKAGE` for the packages of each patch, which are listed as conflicts.
zypper_patch_contents() {
  awk '
    function raised(word) {
      sub(/^srcpackage:/, "", word)
      sub(/\.(noarch|x86_64|aarch64|ppc64le|s390x|i[3-6]86)$/, "", word)
      if (word != "") print patch, word
    }
    /^Name +: / { patch = $3 }
    /^Conflicts +: / { list = 1; if ($3 !~ /^\[/) raised($3); next }
    /^[^ ]/ { list = 0 }
    list && /^ / { raised($1) }'
}

# zypper_do GLOBAL-OPTION... -- OPTION...: the patch by the policy, with the current metadata.
zypper_do() {
  case $what=$only in
    patch=security) set -- "$@" --category security ;;
  esac
  options='' download=''
  # Whatever commit.downloadMode is: the transaction follows the download.
  case " $* " in *' --download-only '* | *' --dry-run '*) ;; *) download='--download in-advance' ;; esac
  while [ "${1-}" != -- ]; do options="$options $1" && shift; done
  shift
  # shellcheck disable=SC2086
  zypper_call --no-refresh $options "$what" --auto-agree-with-licenses $download "$@"
}

zypper_refresh() {
  zypp_conf=''
  rpm_drop_stale_locks
  failures=0
  while :; do
    wait_for_locks || return $?
    # 106 = some repositories were skipped: counts as a failure.
    zypper_call refresh 2>&1
    rc=$?
    [ "$rc" -eq 0 ] && return 0
    failures=$((failures + 1))
    [ "$failures" -lt 3 ] || return "$rc"
    sleep $((failures * 2))
    echo 'ospatch: trying again'
  done
}

zypper_plan() { plan_phase; }

zypper_pending() {
  # Outside of a job nothing is written.
  [ "$refresh" = yes ] || export ZYPP_LOGFILE="$1/zypper.log"
  zypper_setup "$1"
  zypper_simulate "$1"
  rc=$?
  rpm_pending "$1"
  rpm -q --qf 'release %{NAME} %{VERSION}\n' -f /etc/products.d/*.prod 2>/dev/null | grep '^release ' | sort -u
  [ -z "$only" ] || [ "$what" = patch ] || echo 'no-security-data'
  zypper_newer
  case $rc in
    0 | 102 | 103)
      zypper_hidden "$1"
      # For people who read a plan; a transaction does not depend on it.
      [ "$refresh" = yes ] || zypper_security "$1"
      ;;
  esac
  rpm_disabled_repositories /etc/zypp/repos.d
  zypper_missing_lists
  rpm_lists_age /var/cache/zypp/raw /var/cache/zypp/solv
  return $rc
}

zypper_simulate() {
  zypper_do --xmlout -- --dry-run >"$1/simulation" 2>&1
  rc=$?
  : >"$1/changes"
  # 102 and 103 announce questions of the real run.
  case $rc in 0 | 102 | 103) ;; *) return $rc ;; esac
  zypper_changes <"$1/simulation" | sort -u >"$1/changes"
}

# Reads the summary in --xmlout.
zypper_changes() {
  awk 'BEGIN { RS = "<" }
    function value(name) {
      if (!match($0, "[ \n]" name "=\"[^\"]*\"")) return "-"
      text = substr($0, RSTART + length(name) + 3, RLENGTH - length(name) - 4)
      return text == "" ? "-" : text
    }
    /^to-/ { kind = $1; sub(/>.*/, "", kind); next }
    /^\/to-/ { kind = ""; next }
    /^solvable / && kind != "" && value("type") == "package" {
      name = value("name"); arch = value("arch"); new = value("edition"); old = value("edition-old")
      if (kind ~ /vendor/) print "vendor", name, arch, old, new
      else if (kind ~ /^to-upgrade/) print "upgrade", name, arch, old, new
      else if (kind == "to-install") print "install", name, arch, "-", new
      else if (kind == "to-remove") print "remove", name, arch, new, "-"
      else if (kind ~ /^to-downgrade/) print "downgrade", name, arch, old, new
      else if (kind == "to-reinstall") print "reinstall", name, arch, old, new
      else print "unknown", name, arch, old, new
    }'
}

# zypper_security DIR: packages of security patches that are needed, as `security NAME`, after `security-known`, which is
# absent where the repositories have no patches, or zypper does not say. In XML, zypper lists patches of every category.
zypper_security() {
  [ "$what" = patch ] || return 0
  ZYPP_LOCK_TIMEOUT=-1 timeout -k 5 60 zypper --non-interactive --config /dev/null --no-refresh --xmlout \
    list-patches >"$1/patches" 2>/dev/null </dev/null || return 0
  names=$(awk 'BEGIN { RS = "<" }
    /^update / && /kind="patch"/ && /[ \n]category="security"/ && match($0, / name="[A-Za-z0-9][^"]*"/) { print substr($0, RSTART + 7, RLENGTH - 8) }' \
    "$1/patches" | sort -u | head -n 1000)
  if [ -n "$names" ]; then
    set -f
    # shellcheck disable=SC2086
    ZYPP_LOCK_TIMEOUT=-1 timeout -k 5 60 zypper --non-interactive --config /dev/null --no-refresh info -t patch $names \
      >"$1/contents" 2>/dev/null </dev/null || names=''
    set +f
    [ -n "$names" ] || return 0
    zypper_patch_contents <"$1/contents" | sed 's/^[^ ]* /security /' | sort -u | head -n 2000
  fi
  echo security-known
}

# Newer versions that are held.
zypper_newer() {
  [ -n "$held" ] || return 0
  ZYPP_LOCK_TIMEOUT=-1 zypper --non-interactive --config /dev/null --no-refresh --xmlout list-updates 2>/dev/null |
    awk 'BEGIN { RS = "<" } /^update / && match($0, / name="[^"]*"/) { print "newer", substr($0, RSTART + 7, RLENGTH - 8) }' |
    sort -u
}

# zypper_hidden DIR: what would be offered without the node's own locks and priorities, as
# `hidden NAME ARCH VERSION`, and the locks, as `hides lock GLOB`. With patches only these count, and of other
# updates only locked ones are reported.
zypper_hidden() {
  own=$(cat /etc/zypp/zypp.conf /usr/etc/zypp/zypp.conf 2>/dev/null | sed -n 's/^ *locksfile\.path *= *//p' | head -n 1)
  hides=$(sed -n 's/^solvable_name: *\([^ ]*\).*/hides lock \1/p' "${own:-/etc/zypp/locks}" 2>/dev/null | head -n 300)
  [ "$what" = patch ] || hides=$hides$(grep -qsE '^priority *= *([0-8]?[0-9]|9[0-8]|[1-9][0-9][0-9]+) *$' /etc/zypp/repos.d/*.repo && printf '\nhides priority -')
  [ -n "$hides" ] || return 0
  printf '%s\n' "$hides" | grep .
  : >"$1/no-locks"
  printf '[main]\nlocksfile.path = %s\n' "$1/no-locks" >"$1/no-locks.conf"
  ZYPP_CONF=$1/no-locks.conf timeout -k 5 60 zypper --non-interactive --config /dev/null --no-refresh --xmlout list-updates --all 2>/dev/null </dev/null |
    awk 'BEGIN { RS = "<" }
      function value(key) { return match($0, " " key "=\"[^\"]*\"") ? substr($0, RSTART + length(key) + 3, RLENGTH - length(key) - 4) : "-" }
      /^update / && /kind="package"/ { print "hidden", value("name"), value("arch"), value("edition") }' | head -n 500
}

# Enabled repositories without lists on the node: `update` then finds nothing.
zypper_missing_lists() {
  cat /etc/zypp/repos.d/*.repo 2>/dev/null | awk '
    function done() { if (id != "" && !off) print id }
    /^ *\[/ { done(); id = $0; gsub(/^ *\[|\].*$/, "", id); off = 0 }
    /^enabled *= *(0|no|off|false) *$/ { off = 1 }
    END { done() }' |
    while read -r id; do
      directory=/var/cache/zypp/raw/$(printf '%s' "$id" | tr / _)
      [ -d "$directory" ] || echo "list-missing $id"
    done | head -n 20
}

# Packages stay in the cache until they are installed, whatever keeppackages says.
zypper_fetch() {
  wait_for_locks || return $?
  zypper_setup "$dir"
  zypper_simulate "$dir"
  rc=$?
  case $rc in 0 | 102 | 103) ;; *) cat "$dir/simulation"; return $rc ;; esac
  is_planned || return $rc_plan_changed
  [ -s "$dir/changes" ] || return 0
  zypper_do -- --download-only 2>&1
  rc=$?
  # Questions of the transaction are handled by the transaction.
  case $rc in 102 | 103) rc=0 ;; esac
  return $rc
}

# 103 = zypper has updated itself and must be run again; the second set was not in the plan, so it must be harmless.
zypper_apply() {
  wait_for_locks || return $?
  take_baseline || return $?
  zypper_setup "$dir"
  zypper_simulate "$dir"
  rc=$?
  [ "$rc" -eq 0 ] || { cat "$dir/simulation"; rpm_report >"$dir/result"; return $rc; }
  is_planned || return $rc_plan_changed
  cp "$dir/changes" "$dir/planned"
  rounds=0
  while [ -s "$dir/changes" ]; do
    rpm_transaction zypper_do --
    rc=$?
    rounds=$((rounds + 1))
    [ "$rc" -eq 103 ] && [ "$rounds" -lt 5 ] || break
    zypper_simulate "$dir" || break
    zypper_is_harmless || { rc=$rc_unplanned && break; }
    rc=0
  done
  [ "$rc" -ne 102 ] || rc=0
  rpm_report >"$dir/result"
  if [ "$rc" -eq 0 ]; then
    cp "$dir/planned" "$dir/changes"
    rpm_is_applied || rc=$rc_not_applied
  fi
  case $rc in 0 | 107) ! grep -q '^script-failed ' "$dir/result" || rc=$rc_script_failed ;; esac
  [ "$rc" -ne 107 ] || rc=$rc_script_failed
  return $rc
}

zypper_is_harmless() {
  awk -v removals="$removals" '
    $1 == "upgrade" || $1 == "install" || ($1 == "remove" && removals == "yes") { next }
    { print "ospatch: stopped before the rest: it would " $1 " " $2; bad = 1 }
    END { exit bad }' "$dir/changes"
}

zypper_repair() {
  wait_for_locks || return $?
  zypp_conf=''
  rpm_drop_stale_locks
  rpm_repair
}

# zypper_reinstall_call LIST GLOBAL-OPTION... -- OPTION...
zypper_reinstall_call() {
  list=$1 options=''
  shift
  while [ "$1" != -- ]; do options="$options $1" && shift; done
  shift
  set -- --force --name --no-recommends --auto-agree-with-licenses "$@"
  while read -r name arch version _; do
    set -- "$@" "$name.$arch=$version"
  done <"$list"
  # shellcheck disable=SC2086
  zypper_call --no-refresh $options install "$@" </dev/null
}

zypper_reinstall_list() {
  zypper_reinstall_call "$dir/again" --xmlout -- --dry-run >"$dir/simulation" 2>&1
  rc=$?
  zypper_changes <"$dir/simulation" | sort -u >"$dir/changes"
  case $rc in 0 | 102 | 103 | 104) return 0 ;; esac
  cat "$dir/simulation"
  return $rc
}

zypper_reinstall_now() {
  zypper_reinstall_call "$dir/wanted" -- --download in-advance
  rc=$?
  case $rc in 102 | 103) rc=0 ;; 107) rc=$rc_script_failed ;; esac
  return $rc
}

zypper_installed() { rpm_installed; }

zypper_facts() {
  rpm_facts
  # All that `zypper needs-rebooting` reads.
  if [ -e /run/reboot-needed ]; then echo 'reboot_reason=zypper needs-rebooting (/run/reboot-needed)'; fi
}

zypper_lock_files() { rpm_lock_files; }
