# ------------------------------------------------------------------------------- package manager: dnf 4, dnf 5 and yum

# Sets generation (3 = yum, 4, 5) and minor, the release to stay on; empty = any.
dnf_setup() {
  logs='' persist=''
  case $(readlink -f "$(command -v "$manager")") in
    *dnf5*) generation=5 ;;
    *dnf*) generation=4 ;;
    *) generation=3 ;;
  esac
  minor=''
  case $keep_minor=$os_id=$os_version_id in
    yes=rhel=*.* | yes=rocky=*.* | yes=almalinux=*.* | yes=ol=*.*) minor=$os_version_id ;;
  esac
  case $minor in *[!0-9.]*) minor='' ;; esac
  dnf_tsflags
  rpm_held
  rpm_drop_stale_locks
}

# Sets tsflags to the node's own tsflags without those with which a transaction succeeds but changes no file.
dnf_tsflags() {
  tsflags=$(cat /etc/yum.conf /etc/dnf/dnf.conf /etc/dnf/libdnf5.conf.d/*.conf /usr/share/dnf5/libdnf.conf.d/*.conf 2>/dev/null |
    sed -n 's/^ *tsflags *[=:] *//p' | tr ', \t' '[\n*]' | sort -u)
  case "
$tsflags
" in
    *"
test
"* | *"
justdb
"*) tsflags=$(printf '%s\n' "$tsflags" | grep -vx -e test -e justdb | tr '\n' ',') tsflags=,${tsflags%,} ;;
    *) tsflags='' ;;
  esac
}

# Waits for locks without limit; dnf prints the holder. An unreachable repository is a failure unless its own
# configuration says otherwise. Output to a file is line-buffered. Settings of dnf.conf that change the output parsed
# here, or the effect of a call, are reset to their defaults.
dnf_call() {
  [ "$generation" = 5 ] || set -- --setopt=exit_on_lock=False "$@"
  case "$generation $*" in
    3*) ;;
    *' -C '*) ;;
    5*) set -- --setopt=cacheonly=none "$@" ;;
    *) set -- --setopt=cacheonly=False "$@" ;;
  esac
  case " $* " in
    *' -y '*) set -- --setopt=assumeyes=True --setopt=assumeno=False "$@" ;;
    *) set -- --setopt=assumeyes=False --setopt=defaultyes=False "$@" ;;
  esac
  PYTHONUNBUFFERED=1 DNF_DISABLE_ALIASES=1 "$manager" --setopt=color=never --setopt=debuglevel=2 --setopt=errorlevel=3 \
    --setopt=skip_if_unavailable=False ${logs:+"--setopt=logdir=$logs"} ${persist:+"--setopt=persistdir=$persist"} \
    ${tsflags:+"--setopt=tsflags=$tsflags"} ${minor:+--releasever="$minor"} "$@"
}

# dnf_upgrade OPTION...: the upgrade by the policy. Metadata does not expire, so that all calls use the same.
dnf_upgrade() {
  set -f
  for glob in $held; do set -- "$@" "--exclude=$glob"; done
  set +f
  [ -z "$only" ] || set -- "$@" --security
  dnf_call --setopt=metadata_expire=never '--setopt=*.metadata_expire=never' upgrade "$@"
}

dnf_refresh() {
  dnf_setup
  failures=0
  while :; do
    wait_for_locks || return $?
    if [ "$generation" = 3 ]; then dnf_call -q clean expire-cache && dnf_call -q makecache fast
    else dnf_call makecache --refresh; fi 2>&1 && return 0
    rc=$?
    failures=$((failures + 1))
    [ "$failures" -lt 3 ] || return "$rc"
    sleep $((failures * 2))
    echo 'ospatch: trying again'
  done
}

dnf_plan() { plan_phase; }

dnf_pending() {
  dnf_setup
  # Outside of a job nothing is written.
  [ "$refresh" = yes ] || dnf_leave_no_trace "$1"
  dnf_simulate "$1"
  rc=$?
  rpm_pending "$1"
  rpm -q --qf 'release %{NAME} %{VERSION}\n' --whatprovides system-release 2>/dev/null | grep '^release '
  [ -z "$only" ] || dnf_has_advisories || echo 'no-security-data'
  dnf_newer
  [ "$rc" -ne 0 ] || dnf_hidden
  # For people who read a plan; a transaction does not depend on it.
  [ "$refresh" = yes ] || [ "$rc" -ne 0 ] || dnf_security "$1"
  rpm_disabled_repositories /etc/yum.repos.d
  cat "$1/log" "$1/simulation" 2>/dev/null | dnf_unread
  rpm_lists_age /var/cache/dnf /var/cache/libdnf5 /var/cache/yum
  return $rc
}

# dnf_leave_no_trace DIR: logs and temporary files go to DIR. dnf 4 opens the database of its history for writing whatever it
# does, so it gets a copy.
dnf_leave_no_trace() {
  logs=$1
  export TMPDIR="$1"
  [ "$generation" = 4 ] && [ -d /var/lib/dnf ] || return 0
  persist=$1/persist
  # A history of years takes room in memory, and counts only for what nothing else needs any more.
  if [ "$(du -sk /var/lib/dnf | cut -f 1)" -le 65536 ] && cp -a /var/lib/dnf "$persist" 2>/dev/null; then return 0; fi
  rm -rf "$persist"
  mkdir "$persist"
  ! [ -d /var/lib/dnf/modulefailsafe ] || cp -a /var/lib/dnf/modulefailsafe "$persist"
}

# dnf_hidden: what would be offered without the node's own excludes, locks, module filters and priorities, as
# `hidden NAME ARCH VERSION`, and which of these exist, as `hides CAUSE GLOB`. Skipped when there are none.
dnf_hidden() {
  hides=$(dnf_hides | sort -u | head -n 300)
  [ -n "$hides" ] || return 0
  printf '%s\n' "$hides"
  set -- -C -q '--setopt=*.priority=99' '--setopt=*.module_hotfixes=1'
  case $generation in
    5) set -- "$@" '--setopt=disable_excludes=*' ;;
    *) set -- "$@" --disableexcludes=all --disableplugin=versionlock ;;
  esac
  dnf_limited "$@" check-update ${only:+--security} | dnf_available | sed 's/^/hidden /' | head -n 500
  [ -n "$only" ] || dnf_limited "$@" check-update --security | dnf_available | sed 's/^/hidden-security /' | head -n 500
}

# dnf_security DIR: packages with a security fix, as `security NAME`, after `security-known`, which is absent where the
# repositories carry no advisories.
dnf_security() {
  dnf_limited -C -q check-update --security >"$1/fixes"
  # 100 = there are some. Whatever else has failed says nothing.
  case $? in 0 | 100) ;; *) return 0 ;; esac
  fixes=$(dnf_names security <"$1/fixes" | head -n 2000)
  [ -n "$fixes" ] || dnf_has_advisories || return 0
  printf '%s\n' security-known "$fixes"
}

# At most a minute: a plan does not depend on it.
dnf_limited() {
  real=$manager
  manager=dnf_timed
  dnf_call "$@" 2>/dev/null </dev/null
  set -- $?
  manager=$real
  return "$1"
}

dnf_timed() { timeout -k 5 60 "$real" "$@"; }

# Reads `check-update`: `NAME ARCH VERSION`; a row may be wrapped.
dnf_available() {
  awk '/^Obsoleting/ { exit }
    /^[^ ]/ && NF == 1 && $1 ~ /\.[a-z0-9_]+$/ { first = $1; next }
    /^ / && first != "" && NF == 2 { $0 = first " " $0 }
    { first = "" }
    NF == 3 && $1 ~ /\.[a-z0-9_]+$/ {
      arch = $1; sub(/.*\./, "", arch); sub(/\.[^.]*$/, "", $1); sub(/^0:/, "", $2)
      print $1, arch, $2
    }'
}

dnf_hides() {
  cat /etc/yum.conf /etc/dnf/dnf.conf /etc/dnf/libdnf5.conf.d/*.conf /etc/yum.repos.d/*.repo /etc/dnf/repos.override.d/*.repo 2>/dev/null | awk '
    /^ *[#;]/ { next }
    /^ *\[/ { repository = $0; next }
    /^[ \t]+[^ \t]/ && key != "" { line = $0 }
    /^[a-z_]+ *[=:]/ { key = $0; sub(/ *[=:].*/, "", key); line = $0; sub(/^[^=:]*[=:]/, "", line) }
    key ~ /^exclude(pkgs)?$/ { gsub(",", " ", line); n = split(line, globs, " "); for (i = 1; i <= n; i++) print "hides exclude", globs[i] }
    key == "includepkgs" && line ~ /[^ ]/ { print "hides include -" }
    key == "priority" && line != "" && line + 0 != 99 { print "hides priority -" }
    { line = "" }'
  sed -n '/^ *#/d; s/^!//; s/^[0-9]*:\([^:]*-[^:]*-[^-]*\)$/\1/; s/-\([0-9]*:\)\{0,1\}[^-]*-[^-]*$//; s/^[^ ][^ ]*$/hides versionlock &/p' \
    /etc/dnf/plugins/versionlock.list /etc/yum/pluginconf.d/versionlock.list 2>/dev/null
  sed -n 's/^ *name *= *"\([^" ]*\)".*/hides versionlock \1/p' /etc/dnf/versionlock.toml 2>/dev/null
  grep -qs '^ *state *= *"*enabled' /etc/dnf/modules.d/*.module && echo 'hides module -'
}

# dnf's messages about repositories that it skips.
dnf_unread() {
  sed -n 's/^Ignoring repositories: */list-missing /p; s/^ \(.*[^ ]\) *???%.*/list-missing \1/p' | sort -u | head -n 20
}

# Prints what the upgrade would do; changes nothing: the confirmation is answered with no.
dnf_simulate() {
  dnf_upgrade --assumeno >"$1/simulation" 2>&1
  rc=$?
  : >"$1/changes"
  [ "$rc" -eq 0 ] || grep -qE '(^|: )(Operation aborted|Exiting on user command)' "$1/simulation" || return $rc
  rpm_installed >"$1/installed"
  dnf_changes "$1/installed" <"$1/simulation" | sort -u >"$1/changes"
}

# dnf_changes INSTALLED: reads the table of a transaction; a row may be wrapped, and continues with more indentation.
dnf_changes() {
  awk -v installed="$1" '
    # dnf 5 writes an epoch of 0, the rpm database and dnf 4 do not.
    function evr(version) { sub(/^0:/, "", version); return version }
    function row() {
      if (n >= 3 && kind != "" && kind != "ignored") {
        old = "-"; new = evr(field[3])
        if (kind == "remove") { old = new; new = "-" }
        else if (kind != "install") {
          old = field[1] "." field[2]
          old = (old in version) ? version[old] : (field[1] in any) ? any[field[1]] : "-"
        }
        print kind, field[1], field[2], old, new
      } else if (n > 0 && kind != "ignored") print "unknown", (n > 0 ? field[1] : "-"), "-", "-", "-"
      n = 0
    }
    BEGIN {
      while ((getline line < installed) > 0) { split(line, p, " "); version[p[1] "." p[2]] = p[3]; any[p[1]] = p[3] }
      kind = "ignored"
    }
    # Before the table, dnf 5 prints the repositories, in lines that look like rows.
    /^ *Package +Arch/ { table = 1; next }
    !table { next }
    /^Transaction Summary/ { row(); exit }
    /^[A-Z][A-Za-z\/() ]*:$/ {
      row()
      if ($1 ~ /^(Upgrading|Updating)/) kind = "upgrade"
      else if (/^Installing (group|module|Environment)/) kind = "ignored"
      else if ($1 ~ /^Installing/) kind = "install"
      else if ($1 ~ /^Removing/) kind = "remove"
      else if ($1 ~ /^Downgrading/) kind = "downgrade"
      else if ($1 ~ /^Reinstalling/) kind = "reinstall"
      else if (/^Skipp/) kind = "skip"
      else if (/^(Enabling module|Disabling module|Switching module|Resetting module|Changing reason|Transaction)/) kind = "ignored"
      else if (inside) kind = ""
      if (kind != "ignored") inside = 1
      next
    }
    /^ +replacing / {
      name = $2; arch = $3; gone = $4; if (n > 0) by = field[1]
      if (NF == 3) { gone = $3; arch = $2; sub(/.*\./, "", arch); sub(/\.[^.]*$/, "", name) }
      row()
      if (name != by) print "obsolete", name, arch, evr(gone), "-"
      next
    }
    /^ [^ ]/ { row(); n = split($0, field, " "); next }
    /^  / && n > 0 { m = split($0, more, " "); for (i = 1; i <= m; i++) field[++n] = more[i]; next }
    { row() }
    END { row() }'
}

# Ignores the node's excludes: advisories of excluded packages are needed too.
dnf_has_advisories() {
  case $generation in
    5) dnf_call -C -q '--setopt=disable_excludes=*' advisory list --all ;;
    4) dnf_call -C -q --disableexcludes=all --disableplugin=versionlock updateinfo list --all ;;
    *) dnf_call -C -q --disableexcludes=all --disableplugin=versionlock updateinfo list all ;;
  esac 2>/dev/null | grep -qE '^[^ ]+-[^ ]*[0-9]|^[ i] +[^ ]+-[^ ]*[0-9]'
}

# Newer versions that are held, and security fixes kept back by the policy.
dnf_newer() {
  [ -n "$held" ] || return 0
  set -f
  # shellcheck disable=SC2086
  dnf_call -C -q check-update $held 2>/dev/null | dnf_names newer
  # shellcheck disable=SC2086
  [ -z "$exclude" ] || dnf_call -C -q check-update --security $exclude 2>/dev/null | dnf_names excluded-security
  set +f
}

dnf_names() {
  awk -v kind="$1" '/^Obsoleting/ { exit }
    /^[^ ]/ && $1 ~ /\.[a-z0-9_]+$/ && (NF == 1 || NF == 3) { sub(/\.[^.]*$/, "", $1); print kind, $1 }' | sort -u
}

# Packages stay in the cache until the next transaction that succeeds, whatever keepcache says.
dnf_fetch() {
  wait_for_locks || return $?
  dnf_setup
  dnf_simulate "$dir"
  rc=$?
  [ "$rc" -eq 0 ] || { cat "$dir/simulation"; return $rc; }
  is_planned || return $rc_plan_changed
  [ ! -s "$dir/changes" ] || dnf_upgrade -y --downloadonly 2>&1
}

dnf_apply() {
  dnf_setup
  wait_for_locks || return $?
  take_baseline || return $?
  dnf_simulate "$dir"
  rc=$?
  [ "$rc" -eq 0 ] || { cat "$dir/simulation"; rpm_report >"$dir/result"; return $rc; }
  is_planned || return $rc_plan_changed
  rc=0
  if [ -s "$dir/changes" ]; then
    rpm_transaction dnf_upgrade -y
    rc=$?
  fi
  rpm_report >"$dir/result"
  if [ "$rc" -eq 0 ]; then rpm_is_applied || rc=$rc_not_applied; fi
  if [ "$rc" -eq 0 ] && grep -q '^script-failed ' "$dir/result"; then rc=$rc_script_failed; fi
  return $rc
}

dnf_repair() {
  dnf_setup
  wait_for_locks || return $?
  rpm_repair
}

# dnf_reinstall_call OPTION LIST: ignores everything that excludes packages from upgrades, since the version does not change.
dnf_reinstall_call() {
  option=$1 list=$2
  set -- reinstall "$option"
  case $generation in
    5) set -- "$@" '--setopt=disable_excludes=*' --skip-unavailable ;;
    *) set -- "$@" --disableexcludes=all --disableplugin=versionlock ;;
  esac
  while read -r name arch version _; do
    set -- "$@" "$name-$version.$arch"
  done <"$list"
  dnf_call "$@" </dev/null
}

dnf_reinstall_list() {
  dnf_reinstall_call --assumeno "$dir/again" >"$dir/simulation" 2>&1
  rc=$?
  dnf_changes "$dir/now" <"$dir/simulation" | sort -u >"$dir/changes"
  [ ! -s "$dir/changes" ] || return 0
  # None of them is available, or dnf has failed for another reason.
  grep -qE 'No packages marked for reinstall|not available|Nothing to do' "$dir/simulation" && return 0
  [ "$rc" -ne 0 ] || return 0
  cat "$dir/simulation"
  return $rc
}

dnf_reinstall_now() { dnf_reinstall_call -y "$dir/wanted"; }

dnf_installed() { rpm_installed; }

dnf_facts() {
  rpm_facts
  dnf_reboot_facts
}

# The exit code is the same for a pending reboot and an error, so the text counts. The result changes only with the
# packages and with a boot.
dnf_reboot_facts() {
  key="$boot $(find /var/lib/rpm /usr/lib/sysimage/rpm -maxdepth 1 \( -name 'rpmdb.sqlite*' -o -name 'Packages*' \) \
    ! -name '*-shm' -printf '%T@ ' 2>/dev/null)"
  cached=$run_dir/needs-restarting
  if [ "$(sed -n 1p "$cached" 2>/dev/null)" != "$key" ]; then
    mkdir -p "$run_dir"
    echo "$key" >"$cached.new"
    ask needs-restarting 20 "$manager" -C -q needs-restarting -r 2>/dev/null </dev/null >>"$cached.new"
    # A partial result must not be cached.
    case $? in 124 | 137 | 143) rm -f "$cached.new" && return ;; *) mv "$cached.new" "$cached" ;; esac
  fi
  dnf_needs_restarting <"$cached"
}

dnf_needs_restarting() {
  awk '/^Core libraries or services have been updated/ { list = 1; next }
    /^Reboot is required/ { due = 1 }
    list && /^ +\* / { names[++n] = $2; next }
    END {
      if (!due && !n) exit
      for (i = 1; i <= n && i <= 20; i++) print "reboot_reason=package " names[i]
      if (!n) print "reboot_reason=needs-restarting"
    }'
}

dnf_lock_files() { rpm_lock_files; }
