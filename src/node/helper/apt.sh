# ---------------------------------------------------------------------------------------------- package manager: apt

# Waits for ever on the frontend lock: who holds it stands in the log, and giving up would waste the attempt.
apt_get() {
  set -- ${preferences:+-o "Dir::Etc::Preferences=$preferences"} "$@"
  case $phased in
    always) set -- -o APT::Get::Always-Include-Phased-Updates=true "$@" ;;
    never) set -- -o APT::Get::Never-Include-Phased-Updates=true "$@" ;;
  esac
  apt-get -q -y -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=-1 -o Acquire::Retries=3 \
    -o Dpkg::Options::=--force-confdef -o Dpkg::Options::=--force-confold \
    -o APT::Get::AutomaticRemove=false -o APT::Get::AllowUnauthenticated=false -o APT::Get::Allow-Downgrades=false "$@"
}

lock_text='Could not get lock|Unable to lock|Unable to acquire|was locked by another process'

# What the log holds since retrying was called.
recent_output() { tail -c "+$((mark + 1))" "$dir/log"; }

# retrying COMMAND...: again while only a lock is in the way, which means that nothing was done. At most 30 minutes.
retrying() {
  rounds=0
  while :; do
    mark=$(stat -c %s "$dir/log")
    "$@" 2>&1 && return 0
    rc=$?
    rounds=$((rounds + 1))
    [ "$rounds" -lt 360 ] && recent_output | grep -qE "$lock_text" || return $rc
    recent_output | grep -q '^Unpacking ' && return $rc
    sleep 5
  done
}

apt_refresh() {
  failures=0
  while :; do
    # Without Error-Mode=any a mirror that is out of reach counts as success.
    retrying apt_get -o APT::Update::Error-Mode=any update
    rc=$?
    # Releases of apt that do not know Error-Mode.
    if [ "$rc" -eq 0 ] && recent_output | grep -qE '^W: (Failed to fetch|Some index files failed)'; then rc=100; fi
    [ "$rc" -eq 0 ] && return 0
    failures=$((failures + 1))
    [ "$failures" -lt 3 ] || return "$rc"
    sleep $((failures * 2))
  done
}

apt_plan() { plan_phase; }

# apt asks `_verify` between its own decision, under the lock, and the first change.
apt_apply() {
  take_baseline || return 73
  apt_preferences "$dir"
  if [ "$only" = security ]; then apt_simulate "$dir" && apt_pin_strays "$dir"; fi
  OSPATCH_JOB=$job
  export OSPATCH_JOB
  self=$(own_path)
  # shellcheck disable=SC2046
  retrying apt_get -o DPkg::Pre-Install-Pkgs::="$self _verify" -o "DPkg::Tools::Options::$self::Version=3" \
    $(apt_removals) dist-upgrade
  rc=$?
  apt_report >"$dir/result"
  [ ! -e "$dir/plan-changed" ] || return $rc_plan_changed
  # apt does not ask when there is nothing to do.
  if [ "$rc" -eq 0 ] && [ ! -e "$dir/actual" ] && [ "$expect" != "$(digest </dev/null)" ]; then
    echo "$plan_changed_text"
    return $rc_plan_changed
  fi
  return $rc
}

apt_removals() { [ "$removals" = yes ] || echo --no-remove; }

# Reads what apt is about to do (its hook protocol, version 3). Any other set than the planned one stops apt before it
# changes anything.
verb_verify() {
  load_parameters || return 1
  awk '!body { if ($0 == "") body = 1; next }
    $9 == "**CONFIGURE**" { next }
    $9 == "**REMOVE**" { print "remove", $1; next }
    { print $1, $7, $2, $6 }' | sort -u >"$dir/actual"
  [ "$(digest <"$dir/actual")" = "$expect" ] && return 0
  : >"$dir/plan-changed"
  echo "$plan_changed_text"
  return 1
}

apt_repair() {
  take_baseline || return 73
  apt_preferences "$dir"
  retrying dpkg --force-confdef --force-confold --configure -a
  # shellcheck disable=SC2046
  retrying apt_get $(apt_removals) -f install
  rc=$?
  apt_report >"$dir/result"
  dpkg --audit
  if [ "$rc" -eq 0 ] && grep -q '^problem ' "$dir/result"; then rc=$rc_still_broken; fi
  return $rc
}

# apt_pending DIR: prints what dist-upgrade would do, for the controller to parse.
apt_pending() {
  apt_preferences "$1"
  apt_simulate "$1"
  rc=$?
  if [ "$rc" -eq 0 ] && [ "$only" = security ] && apt_pin_strays "$1"; then
    apt_simulate "$1"
    rc=$?
  fi
  echo "digest $(apt_plan_lines "$1" | digest)"
  dpkg-query -W -f='${db:Status-Want} ${Package}\n' 2>/dev/null | sed -n 's/^hold /held /p'
  [ "$only" != security ] || grep -q . "$1/security" || echo 'no-security-data'
  apt_kept_back "$1" kubernetes
  apt_kept_back "$1" excluded
  sed '/^Conf /d; s/^/out /' "$1/simulation"
  return $rc
}

# apt_kept_back DIR REASON: the packages of this list that would be changed without it.
apt_kept_back() {
  [ -s "$1/$2" ] || return 0
  sed 's/^\([^ ]*\) .*/protected \1/' "$1/$2"
  # shellcheck disable=SC2046
  apt-cache policy $(cut -d' ' -f1 "$1/$2") | awk -v reason="$2" '
    /^[^ ]/ { name = substr($1, 1, length($1) - 1) }
    $1 == "Installed:" { installed = $2 }
    $1 == "Candidate:" && $2 != installed && $2 != "(none)" { print reason, name }'
}

apt_simulate() { apt_get -s -o Debug::NoLocking=1 dist-upgrade >"$1/simulation" 2>&1; }

# The set of changes, `name arch old new` a line; the digest names exactly this set.
apt_plan_lines() {
  awk '$1 == "Remv" || $1 == "Purg" { print "remove", $2 }
    $1 == "Inst" {
      name = $2; old = "-"; new = $3
      if (new ~ /^\[/) { old = substr(new, 2, length(new) - 2); new = $4 }
      match($0, /\[[a-z0-9-]+\]\)/)
      sub(/:.*/, "", name)
      print name, substr($0, RSTART + 1, RLENGTH - 3), old, substr(new, 2)
    }' "$1/simulation" | sort -u
}

# The policy as apt preferences, for this call only, before the node's own. A version pin keeps what is installed.
apt_preferences() {
  preferences=''
  : >"$1/kubernetes" && : >"$1/excluded" && : >"$1/security"
  set -f
  if [ "$kubernetes" = no ] && is_kubernetes_node; then
    # shellcheck disable=SC2086
    apt_versions $kubernetes_deb >"$1/kubernetes"
  fi
  # shellcheck disable=SC2086
  [ -z "$exclude" ] || apt_versions $exclude >"$1/excluded"
  {
    cat "$1/kubernetes" "$1/excluded" | apt_version_pins
    for glob in $exclude; do printf 'Package: %s\nPin: release *\nPin-Priority: -1\n\n' "$glob"; done
    [ -z "$only" ] || apt_security_pins "$1"
  } >"$1/preferences"
  set +f
  [ -s "$1/preferences" ] || return 0
  preferences=$1/preferences
  cat /etc/apt/preferences >>"$preferences" 2>/dev/null
}

kubernetes_deb='kubelet kubeadm kubectl kubernetes-cni cri-tools containerd containerd.io docker.io docker-ce* runc cri-o*'

# apt_versions GLOB...: `name version` of the installed packages.
apt_versions() {
  dpkg-query -W -f='${db:Status-Status} ${Package} ${Version}\n' "$@" 2>/dev/null |
    awk '$1 == "installed" { print $2, $3 }' | sort -u
}

apt_version_pins() { awk '{ printf "Package: %s\nPin: version %s\nPin-Priority: 1001\n\n", $1, $2 }'; }

# Everything but the security archives may only supply new packages that a fix needs (a priority below 100 upgrades
# nothing), in the order of preference it has anyway. Archives are told by what they say of themselves.
apt_security_pins() {
  apt-cache policy | awk '
    /^ *-?[0-9]+ / { priority = $1 }
    /^ +release / { sub(/^ +release /, ""); print priority, $0 }' |
    while read -r priority release; do
      case ",$release," in
        *,l=Debian-Security,* | *,o=Ubuntu,*-security,* | *,o=UbuntuESM,*-security,* | *,o=UbuntuESMApps,*-security,*)
          echo "$release" >>"$1/security"
          [ "$priority" -ge 100 ] || priority=500
          ;;
        *,a=now,*) continue ;;
        *) [ "$priority" -lt 50 ] || priority=50 ;;
      esac
      printf 'Package: *\nPin: release %s\nPin-Priority: %s\n\n' "$release" "$priority"
    done
  printf 'Package: *\nPin: release a=now\nPin-Priority: 100\n\nPackage: *\nPin: release *\nPin-Priority: 50\n\n'
}

# Upgrades that do not come from a security archive all the same, e.g. by a pin of the administrator, stay as well.
# Returns 0 when there were any.
apt_pin_strays() {
  awk '$1 == "Inst" && $3 ~ /^\[/ && !/Debian-Security:|Ubuntu[A-Za-z]*:[^ ,]*-security/ { sub(/:.*/, "", $2); print $2 }' \
    "$1/simulation" >"$1/stray"
  [ -s "$1/stray" ] || return 1
  # shellcheck disable=SC2046
  apt_versions $(cat "$1/stray") | apt_version_pins >"$1/stray-pins"
  cat "$1/stray-pins" "$1/preferences" >"$1/preferences.new" && mv "$1/preferences.new" "$1/preferences"
}

# shellcheck disable=SC2016
apt_status_format='${db:Status-Abbrev}|${Package} ${Architecture} ${Version}\n'

apt_status() { dpkg-query -W -f="$apt_status_format" 2>/dev/null; }

# Packages on the disk, configured or not, one `name arch version` a line.
apt_installed() { apt_status | awk -F '|' 'substr($1, 2, 1) !~ /[nc]/ { print $2 }' | sort; }

apt_problems() {
  awk -F '|' 'substr($1, 2, 1) ~ /[HUFWt]/ || substr($1, 3, 1) == "R" { split($2, p, " "); print p[1] " is not fully installed (" $1 ")" }'
  for journal in /var/lib/dpkg/updates/[0-9]*; do
    [ -e "$journal" ] && echo 'dpkg was interrupted' && break
  done
}

apt_report() {
  apt_installed >"$dir/after"
  changed_since_baseline
  find /etc -xdev \( -name '*.dpkg-dist' -o -name '*.dpkg-new' -o -name '*.ucf-dist' \) -cnewer "$dir/started" |
    head -n 100 | sed 's/^/conffile /'
  apt_status | apt_problems | head -n 100 | sed 's/^/problem /'
}

apt_facts() {
  status=$(ask dpkg-query 15 dpkg-query -W -f="$apt_status_format" 2>/dev/null) || [ -n "$status" ] || return 0
  list=$(printf '%s\n' "$status" | awk -F '[| ]+' 'substr($1, 2, 1) !~ /[nc]/ { print $2 ":" $3 "=" $4 }' | sort)
  printf '%s\n' "$list" | sha256sum | sed 's/^\(.\{16\}\).*/packages_digest=\1/'
  printf '%s\n' "$list" | awk 'END { print "packages_count=" NR }'
  printf '%s\n' "$status" | apt_problems | head -n 50 | sed 's/^/package_problem=/'
}

apt_lock_facts() {
  holder_of_lock /var/lib/dpkg/lock-frontend /var/lib/dpkg/lock /var/lib/apt/lists/lock /var/cache/apt/archives/lock
}
