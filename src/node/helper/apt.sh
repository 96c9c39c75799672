# ---------------------------------------------------------------------------------------------- package manager: apt

apt_conf=/dev/null

# apt_settings DIR: resets settings of apt.conf that change the output parsed here, or the effect of a call, to their
# defaults. Read after the node's own configuration. apt ignores unknown settings.
apt_settings() {
  apt_conf=$1/apt.conf
  cat >"$apt_conf" <<'END'
#clear Debug;
#clear quiet;
#clear APT::Cmd;
APT::Color "false";
APT::Output-Version "0";
APT::Ignore-Hold "false";
APT::Get {
  Show-Versions "false";
  Show-Upgraded "true";
  List-Columns "false";
  Show-User-Simulation-Note "false";
  Simulate "false";
  Download-Only "false";
  Download "true";
  Print-URIs "false";
  Assume-No "false";
  Trivial-Only "false";
  Only-Source "false";
  Only-Upgrade "false";
  Upgrade "true";
  ReInstall "false";
  Fix-Missing "false";
  Force-Yes "false";
  Remove "true";
  Purge "false";
  AutomaticRemove "false";
  AllowUnauthenticated "false";
  Allow-Downgrades "false";
  Allow-Remove-Essential "false";
  Allow-Change-Held-Packages "false";
};
Dpkg::Use-Pty "false";
Dpkg::Progress "false";
Dpkg::Progress-Fancy "false";
Acquire::Retries "3";
END
}

# apt_leave_files: apt renews outdated caches on disk and keeps what its solver was asked, also in a simulation.
apt_leave_files() {
  caches=/var/cache/apt
  eval "$(apt-config shell caches Dir::Cache/d)"
  echo 'Dir::Cache::pkgcache ""; Dir::Log::Planner ""; Dir::Log::Solver "";' >>"$apt_conf"
  [ -z "$(find /etc/apt /var/lib/apt/lists ! -name partial -newer "$caches/srcpkgcache.bin" 2>&1 | head -n 1)" ] ||
    echo 'Dir::Cache::srcpkgcache "";' >>"$apt_conf"
}

# Waits for the frontend lock within the time limit; the lock holder is printed to the log.
apt_get() {
  lock_left || left=1
  set -- ${preferences:+-o "Dir::Etc::Preferences=$preferences"} "$@"
  case $phased in
    always) set -- -o APT::Get::Always-Include-Phased-Updates=true "$@" ;;
    never) set -- -o APT::Get::Never-Include-Phased-Updates=true "$@" ;;
  esac
  for option in $dpkg_options; do set -- -o "Dpkg::Options::=$option" "$@"; done
  apt-get -c "$apt_conf" -q=1 -y -o DPkg::Lock::Timeout="$left" "$@"
}

# Configuration files are kept, whatever dpkg.cfg contains.
dpkg_options='--no-force-confnew --no-force-confask --force-confdef --force-confold'

apt_cache() { apt-cache -c "$apt_conf" "$@"; }

apt_refresh() {
  apt_settings "$dir"
  failures=0
  while :; do
    # Without Error-Mode=any an unreachable mirror counts as success.
    retrying apt_get -o APT::Update::Error-Mode=any update
    rc=$?
    # Releases of apt that do not know Error-Mode.
    if [ "$rc" -eq 0 ] && recent_output | grep -qE '^W: (Failed to fetch|Some index files failed)'; then rc=100; fi
    [ "$rc" -eq 0 ] && return 0
    apt_hook_only APT::Update::Post-Invoke && return 0
    failures=$((failures + 1))
    [ "$rc" -ne $rc_locked ] && [ "$failures" -lt 3 ] || return "$rc"
    sleep $((failures * 2))
    echo 'ospatch: trying again'
  done
}

# apt_hook_only HOOK: succeeds if only a hook at the end has failed, and sets warning to its error.
apt_hook_only() {
  warning=$(recent_output | awk -v name="$1" '
    !/^(E|Error): / { next }
    /^(E|Error): Problem executing scripts / && index($0, "scripts " name) { if (hook == "") hook = $0; next }
    /^(E|Error): Sub-process returned an error code/ { next }
    { other = 1 }
    END { if (hook != "" && !other) { sub(/^[^:]*: /, "", hook); print hook } }')
  [ -n "$warning" ] || return 1
  warning="update-hook $warning"
}

# Whether everything that apt planned is installed, according to DIR/after and DIR/actual.
apt_is_complete() {
  [ -e "$dir/actual" ] && ! grep -q '^problem ' "$dir/result" && awk '
    NR == FNR { have[$1 " " $2 " " $3]; next }
    $1 != "remove" && !(($1 " " $2 " " $4) in have) { bad = 1 }
    END { exit bad }' "$dir/after" "$dir/actual"
}

apt_plan() { plan_phase; }

# Downloads the packages of the plan into the apt cache; changes nothing else. A different set would be useless.
apt_fetch() {
  apt_settings "$dir"
  apt_preferences "$dir"
  apt_simulate "$dir"
  apt_without_strays "$dir" $?
  rc=$?
  [ "$rc" -eq 0 ] || { cat "$dir/simulation"; return "$rc"; }
  apt_plan_lines "$dir" >"$dir/changes"
  is_planned || return $rc_plan_changed
  # shellcheck disable=SC2046
  retrying apt_get $(apt_removals) --download-only dist-upgrade
}

# apt calls `_verify` between its own decision, under the lock, and the first change.
apt_apply() {
  apt_status_is_whole || return 100
  take_baseline || return $?
  apt_settings "$dir"
  apt_preferences "$dir"
  if [ "$only" = security ]; then apt_planned_strays || { apt_simulate "$dir" && apt_pin_strays "$dir"; }; fi
  OSPATCH_JOB=$job
  export OSPATCH_JOB
  # apt finds the version by the first word of a hook, so this spelling of /bin/sh is one that no other hook has.
  # shellcheck disable=SC2046
  retrying apt_get -o DPkg::Pre-Install-Pkgs::="/bin/./sh $0 _verify" -o DPkg::Tools::Options::/bin/./sh::Version=3 \
    $(apt_removals) dist-upgrade
  rc=$?
  apt_report >"$dir/result"
  if [ "$rc" -eq 100 ] && apt_is_complete && apt_hook_only DPkg::Post-Invoke; then
    rc=0
    printf 'warning %s\n' "$warning" >>"$dir/result"
  fi
  [ ! -e "$dir/plan-changed" ] || return $rc_plan_changed
  # apt does not call the hook when there is nothing to do.
  if [ "$rc" -eq 0 ] && [ ! -e "$dir/actual" ] && [ "$expect" != "$(digest </dev/null)" ]; then
    echo "$plan_changed_text"
    return $rc_plan_changed
  fi
  if [ "$rc" -eq 0 ]; then apt_is_applied || rc=$rc_not_applied; fi
  return $rc
}

apt_removals() { [ "$removals" = yes ] || echo --no-remove; }

# Reads what apt is about to do (its hook protocol, version 3). A set other than the planned one stops apt before any
# change. Lines have the format of apt_plan_lines.
verb_verify() {
  load_parameters || return 1
  awk -v native="$(dpkg --print-architecture)" '!body { if ($0 == "") body = 1; next }
    $9 == "**CONFIGURE**" { next }
    $9 == "**REMOVE**" { print "remove", $1 ($3 == native || $3 == "all" || $3 == "none" ? "" : ":" $3); next }
    { print $1, $7, $2, $6 }' | sort -u >"$dir/actual"
  [ "$(digest <"$dir/actual")" = "$expect" ] && return 0
  : >"$dir/plan-changed"
  echo "$plan_changed_text"
  return 1
}

# Whether dpkg has made the requested change: it may be configured to simulate (no-act) or only download.
apt_is_applied() {
  [ -s "$dir/actual" ] && [ -s "$dir/after" ] || return 0
  awk 'NR == FNR { have[$1 " " $2 " " $3] = 1; next }
    $1 != "remove" && !(($1 " " $2 " " $4) in have) { print "ospatch: " $1 " " $4 " was to be installed and is not"; missing = 1 }
    END { exit missing }' "$dir/after" "$dir/actual"
}

# Completes started changes, or restores the previous version: no package changes to a version that the policy would
# not select, and none is removed without permission.
apt_repair() {
  apt_make_readable
  # With half of the packages unknown, apt would "complete" the rest by reinstalling it.
  apt_status_is_whole || return 100
  take_baseline || return $?
  apt_settings "$dir"
  apt_preferences "$dir"
  apt_dpkg --configure -a
  apt_finish_removals
  apt_unpack_again
  apt_dpkg --configure -a
  # shellcheck disable=SC2046
  retrying apt_get $(apt_repair_removals) -f install
  rc=$?
  apt_report >"$dir/result"
  dpkg --audit
  # A package without its file list that cannot be downloaded works as it is; it is not retried before each patch.
  apt_status | apt_lost_lists >"$state_dir/lost-lists"
  if [ "$rc" -eq 0 ] && grep -q '^problem ' "$dir/result"; then rc=$rc_still_broken; fi
  return $rc
}

# dpkg without questions, and without waiting for a lock of someone else.
apt_dpkg() {
  # shellcheck disable=SC2086
  retrying dpkg $dpkg_options "$@"
}

# After a power cut dpkg may find unreadable files and then does nothing at all. These are moved aside, and the
# affected packages unpacked again: the file list of a package, or an entry of the journal.
apt_make_readable() {
  : >"$dir/suspect"
  rounds=0
  while [ "$rounds" -lt 50 ]; do
    rounds=$((rounds + 1))
    said=$(dpkg-query -S '/no such file' 2>&1)
    case $said in
      *"files list file for package '"*)
        name=${said##*"files list file for package '"}
        name=${name%%"'"*}
        damaged=/var/lib/dpkg/info/$name.list
        [ -e "$damaged" ] || damaged=/var/lib/dpkg/info/${name%%:*}.list
        case $said in *"missing;"*) return ;; esac
        ;;
      *"parsing file '/var/lib/dpkg/updates/"[0-9]*)
        damaged=${said##*"parsing file '"}
        damaged=${damaged%%"'"*}
        tail -n 20 /var/log/dpkg.log 2>/dev/null | awk '$3 == "status" { print $5 }' >>"$dir/suspect"
        ;;
      *) return ;;
    esac
    case $damaged in */../* | *[!A-Za-z0-9/.+:_-]*) return ;; esac
    [ -f "$damaged" ] && mv "$damaged" "$dir/" && echo "ospatch: put the damaged $damaged aside" || return
  done
}

# A started removal is completed where removals are allowed; otherwise the package is reinstalled.
apt_finish_removals() {
  [ "$removals" = yes ] || return 0
  apt_status | awk -F '|' '$1 ~ /^[rp][HF]/ { split($2, p, " "); print substr($1, 1, 1), p[1], p[2] }' >"$dir/removals"
  while read -r want name arch; do
    ! apt_is_kept "$name" || continue
    [ "$arch" = all ] || name=$name:$arch
    case $want in r) apt_dpkg --remove "$name" ;; p) apt_dpkg --purge "$name" ;; esac
  done <"$dir/removals"
}

# Removals in a repair: as in a patch, and never of packages kept by the policy.
apt_repair_removals() {
  [ "$removals" = yes ] || { echo --no-remove; return; }
  apt_get -s -o Debug::NoLocking=1 -f install 2>/dev/null | awk '$1 == "Remv" || $1 == "Purg" { sub(/:.*/, "", $2); print $2 }' |
    while read -r name; do ! apt_is_kept "$name" || { echo --no-remove; break; }; done
}

# apt_is_kept NAME: whether the policy keeps this package unchanged.
apt_is_kept() {
  set -f
  kept=1
  for glob in $exclude $apt_kubernetes; do
    # shellcheck disable=SC2254
    case $1 in $glob) kept=0 ;; esac
  done
  set +f
  return $kept
}

# Packages that have to be unpacked again, `name:arch version` per line: dpkg reports it, their removal was started, or
# dpkg has lost their file list.
apt_again() {
  apt_status | {
    tee "$dir/status" | awk -F '|' 'substr($1, 3, 1) == "R" || substr($1, 2, 1) == "H" { split($2, p, " "); print p[1] ":" p[2], p[3] }'
    apt_lost_lists <"$dir/status"
    awk -F '|' 'NR == FNR { suspect[$1] = 1; next }
      { split($2, p, " ") } (p[1] ":" p[2]) in suspect { print p[1] ":" p[2], p[3] }' "$dir/suspect" "$dir/status"
  } | sed 's/:all / /' | sort -u
}

# apt_targets <AGAIN: `name version` of each, with the version that is available: the one that this patch was
# installing, the installed one, or the one that the policy offers; `-` if none.
apt_targets() {
  cat >"$dir/again"
  cat "$state_dir/runs/$token"-apply-*/actual 2>/dev/null >"$dir/planned"
  # shellcheck disable=SC2046
  apt_cache policy $(cut -d' ' -f1 "$dir/again") 2>/dev/null >"$dir/offered"
  awk '
    FILENAME == ARGV[1] { planned[$1] = $4; planned[$1 ":" $2] = $4; next }
    FILENAME == ARGV[2] { again[$1] = $2; next }
    /^[^ ]/ { name = substr($1, 1, length($1) - 1); version = ""; next }
    $1 == "Candidate:" { candidate[name] = $2; next }
    /^ (\*\*\*|   ) [^ ]/ { version = $1 == "***" ? $2 : $1; next }
    version != "" && $2 != "/var/lib/dpkg/status" { offered[name " " version] = 1 }
    END {
      for (name in again) {
        alias = name
        if (!(alias in candidate)) sub(/:.*/, "", alias)
        target = "-"
        if ((alias " " candidate[alias]) in offered) target = candidate[alias]
        if ((alias " " again[name]) in offered) target = again[name]
        if ((name in planned) && (alias " " planned[name]) in offered) target = planned[name]
        print name, again[name], target
      }
    }' "$dir/planned" "$dir/again" "$dir/offered" | sort >"$dir/targets"
}

apt_unpack_again() {
  apt_again | apt_targets
  [ -s "$dir/targets" ] || return 0
  if grep -q ' -$' "$dir/targets"; then
    apt_refresh
    apt_again | apt_targets
  fi
  # While apt has no archive for one of them, it does nothing at all.
  apt_unpack_cached
  for way in exact candidate single; do
    apt_unpack_by "$way" && break
    if recent_output | grep -qE '^(E|Err|W): .*(Failed to fetch|404|Unable to fetch)'; then
      apt_refresh
      apt_unpack_by "$way" && break
    fi
  done
  # Not again for packages that only appear in dpkg.log.
  : >"$dir/suspect"
}

# apt_unpack_by WAY: exact = all in the selected versions, candidate = all as offered by the policy, for versions that
# conflict, single = one by one.
apt_unpack_by() {
  apt_again | apt_targets
  grep -v ' -$' "$dir/targets" >"$dir/wanted" || return 0
  case $1 in exact | single) format='%s=%s\n' ;; candidate) format='%s\n' ;; esac
  awk -v format="$format" '{ printf format, $1, $3 }' "$dir/wanted" >"$dir/arguments"
  if [ "$1" != single ]; then
    # shellcheck disable=SC2046
    retrying apt_get --no-remove --reinstall -f install $(cat "$dir/arguments")
    return
  fi
  failed=0
  while read -r argument; do
    retrying apt_get --no-remove --reinstall -f install "$argument" || failed=1
  done <"$dir/arguments"
  return $failed
}

# The package file may still be in the cache when no archive has it any more.
apt_unpack_cached() {
  while read -r name version target; do
    [ "$target" = - ] || continue
    file=$(printf '%s' "$version" | sed 's/:/%3a/')
    for file in "/var/cache/apt/archives/${name%%:*}_$file"_*.deb; do
      [ -f "$file" ] && dpkg-deb -I "$file" >/dev/null 2>&1 && apt_dpkg -i "$file"
    done
  done <"$dir/targets"
}

# From `|`-lines of apt_status: `name:arch version` of the packages whose file list dpkg has lost.
apt_lost_lists() {
  { printf '%s\n' /var/lib/dpkg/info/*.list; cat; } | awk -F '[| ]+' '
    /^\// { sub(/^.*\//, ""); sub(/\.list$/, ""); have[$0] = 1; next }
    substr($1, 2, 1) ~ /[iUFWt]/ && !($2 in have) && !(($2 ":" $3) in have) { print $2 ":" $3, $4 }'
}

# apt_pending DIR: prints what dist-upgrade would do, for the controller to parse.
apt_pending() {
  if ! apt_status_is_whole "$1" >"$1/whole"; then
    sed 's/^/out /' "$1/whole"
    return 100
  fi
  apt_settings "$1"
  [ "$refresh" = yes ] || apt_leave_files
  apt_preferences "$1"
  apt_simulate "$1" &
  simulation=$!
  apt_context "$1" >"$1/context"
  wait "$simulation"
  apt_without_strays "$1" $?
  rc=$?
  echo "digest $(apt_plan_lines "$1" | digest)"
  cat "$1/context"
  sed '/^Conf /d; s/^/out /' "$1/simulation"
  return $rc
}

# apt_context DIR: additional data that does not depend on the simulation.
apt_context() {
  dpkg-query -W -f='${db:Status-Want} ${Package}\n' 2>/dev/null | sed -n 's/^hold //p' >"$1/held"
  sed 's/^/held /' "$1/held"
  [ "$only" != security ] || grep -q . "$1/security" || echo 'no-security-data'
  apt_kept_back "$1" kubernetes
  apt_kept_back "$1" excluded
  apt_archives "$1"
  apt_hidden "$1"
  [ "$refresh" = yes ] || apt_list_state
}

# apt_kept_back DIR REASON: the packages of this list that would otherwise change, and which of them lack a fix
# from a security archive.
apt_kept_back() {
  [ -s "$1/$2" ] || return 0
  sed 's/^\([^ ]*\) .*/protected \1/' "$1/$2"
  # shellcheck disable=SC2046
  { apt_cache policy; apt_cache policy $(cut -d' ' -f1 "$1/$2"); } | awk -v reason="$2" '
    /^[^ ]/ { name = substr($1, 1, length($1) - 1); newer = 0 }
    /^ +-?[0-9]+ .* Packages/ { source = $0; sub(/^ +-?[0-9]+ /, "", source) }
    /^ +release / && (/[ ,]l=Debian-Security(,|$)/ || (/[ ,]o=Ubuntu/ && /[ ,]a=[^,]*-security(,|$)/)) { fixes[source] = 1 }
    $1 == "Installed:" { installed = $2 }
    $1 == "Candidate:" && $2 != installed && $2 != "(none)" { print reason, name }
    $1 == "Version" { newer = installed != "(none)" }
    $1 == "***" { newer = 0 }
    newer && / Packages/ && (source in fixes) && !(name in said) { said[name] = 1; print reason "-security", name }'
}

# apt_archives DIR: the Release data of the archives, `archive|LABEL|ORIGIN|VERSION|SUITE|CODENAME`. Sets lists,
# default_release and valid_until.
apt_archives() {
  lists='' default_release='' valid_until=''
  eval "$(apt-config shell lists Dir::State::lists/d default_release APT::Default-Release \
    valid_until Acquire::Check-Valid-Until)"
  head -v -n 25 "$lists"*Release 2>/dev/null | awk '
    function tell() { if (file) print "archive|" v["Label:"] "|" v["Origin:"] "|" v["Version:"] "|" v["Suite:"] "|" v["Codename:"] }
    /^==> / { tell(); file = 1; split("", v); next }
    /^(Label|Origin|Version|Suite|Codename):/ { key = $1; sub(/^[^:]*: */, ""); gsub(/\|/, " "); v[key] = $0 }
    END { tell() }' | sort -u | head -n 200
}

# apt_hidden DIR: security fixes for installed packages that apt does not offer, `hidden CAUSE NAME VERSION`. Without a
# default release, a pin or a hold nothing can be hidden, and the search is skipped.
apt_hidden() {
  : >"$1/policy"
  names=$(cat "$1/held")
  for file in /etc/apt/preferences /etc/apt/preferences.d/*; do
    [ ! -s "$file" ] || default_release=${default_release:--}
  done
  [ -z "$default_release" ] || names=$(dpkg-query -W -f='${db:Status-Status} ${binary:Package}\n' 2>/dev/null | sed -n 's/^installed //p')
  [ -n "$names" ] || return 0
  apt_cache policy >"$1/archives"
  # shellcheck disable=SC2086
  apt_cache policy $names >"$1/policy"
  awk -v default_release="$default_release" '
    FILENAME == ARGV[1] { why[$1] = "hold"; next }
    FILENAME == ARGV[2] { why[$1] = "policy"; next }
    FILENAME == ARGV[3] { why[$1] = "policy"; next }
    FILENAME == ARGV[4] {
      if ($1 == "release") {
        if ($0 ~ /l=Debian-Security|[,=][an]=[^,]*-security|o=Ubuntu[A-Za-z]*,a=[^,]*-security|,a=[^,]*-security/) security[source] = 1
      } else if ($1 ~ /^-?[0-9]+$/) { source = $0; sub(/^ *-?[0-9]+ /, "", source) }
      next
    }
    function decide(cause) {
      if (name == "" || !fix || (current && fix > current)) return
      cause = why[name]
      # Packages kept by the policy are reported separately.
      if (cause == "policy") return
      if (cause == "") {
        if (candidate <= fix) return
        cause = default_release != "-" && priority[fix] == 500 ? "default-release" : "pin"
      }
      print "hidden", cause, name, version[fix]
    }
    /^[^ ]/ { decide(); name = substr($1, 1, length($1) - 1); row = fix = current = 0; candidate = 9999; next }
    $1 == "Candidate:" { wanted = $2; next }
    /^ (\*\*\*|   ) [^ ]/ {
      row++
      at = $1 == "***" ? 2 : 1
      if (at == 2) current = row
      version[row] = $at; priority[row] = $(at + 1)
      if ($at == wanted) candidate = row
      next
    }
    row && $1 ~ /^-?[0-9]+$/ { source = $0; sub(/^ *-?[0-9]+ /, "", source); if (source in security && !fix) fix = row }
    END { decide() }' "$1/held" "$1/kubernetes" "$1/excluded" "$1/archives" "$1/policy" | head -n 300
  sed -n 's/^\([0-9]* additional security updates\{0,1\} can be applied with ESM [A-Za-z]*\).*/esm \1/p' \
    /var/lib/update-notifier/updates-available 2>/dev/null
}

# Problems of lists that were not just refreshed: `list-missing URI`, `list-expired NAME`, `lists-age SECONDS`.
apt_list_state() {
  now=$(date +%s)
  apt_get --print-uris update 2>/dev/null | head -n 200 | while read -r uri file _; do
    case $uri in "'"*/InRelease"'") ;; *) continue ;; esac
    [ -e "$lists$file" ] || [ -e "$lists${file%InRelease}Release" ] || echo "list-missing $uri"
  done
  refreshed=$(stat -c %Y "${lists}partial" 2>/dev/null || stat -c %Y "$lists" 2>/dev/null) && echo "lists-age $((now - refreshed))"
  case $valid_until in false | no | 0) return ;; esac
  grep -m 1 -H '^Valid-Until:' "$lists"*Release 2>/dev/null | while IFS= read -r line; do
    until=$(date -d "${line#*Valid-Until:}" +%s 2>/dev/null) || continue
    [ "$until" -ge "$now" ] || { line=${line%%:Valid-Until*}; echo "list-expired ${line##*/}"; }
  done
}

# apt_without_strays DIR CODE: repeats a simulation that ended with CODE if it contained more than security fixes.
# Exits like the simulation that counts.
apt_without_strays() {
  if [ "$2" -ne 0 ] || [ "$only" != security ] || ! apt_pin_strays "$1"; then return "$2"; fi
  apt_simulate "$1"
}

apt_simulate() { apt_get -s -o Debug::NoLocking=1 dist-upgrade >"$1/simulation" 2>&1; }

# The set of changes, `name arch old new` per line, or `remove name[:arch]` with the architecture only if it is foreign;
# the digest identifies exactly this set.
apt_plan_lines() {
  awk -v native="$(dpkg --print-architecture)" '$1 == "Remv" || $1 == "Purg" {
      sub(":(all|any|" native ")$", "", $2)
      print "remove", $2
    }
    $1 == "Inst" {
      name = $2; old = "-"; new = $3
      if (new ~ /^\[/) { old = substr(new, 2, length(new) - 2); new = $4 }
      match($0, /\[[a-z0-9-]+\]\)/)
      sub(/:.*/, "", name)
      print name, substr($0, RSTART + 1, RLENGTH - 3), old, substr(new, 2)
    }' "$1/simulation" | sort -u
}

# The policy as apt preferences, for this call only, before the node's own. A version pin keeps the installed version.
apt_preferences() {
  preferences='' apt_kubernetes=''
  : >"$1/kubernetes" && : >"$1/excluded" && : >"$1/security"
  set -f
  if [ "$kubernetes" = no ] && is_kubernetes_node; then
    apt_kubernetes=$kubernetes_deb
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
  # The node's own file, wherever apt has it.
  own=$(apt-config shell own Dir::Etc::preferences/f 2>/dev/null | sed -n "s/^own='\(.*\)'$/\1/p")
  cat "${own:-/etc/apt/preferences}" >>"$preferences" 2>/dev/null
}

kubernetes_deb='kubelet kubeadm kubectl kubernetes-cni cri-tools containerd containerd.io docker.io docker-ce* runc cri-o*'

# apt_versions GLOB...: `name version` of the packages on disk, in any state.
apt_versions() {
  dpkg-query -W -f='${db:Status-Status} ${Package} ${Version}\n' "$@" 2>/dev/null |
    awk '$1 != "not-installed" && $1 != "config-files" { print $2, $3 }' | sort -u
}

apt_version_pins() { awk '{ printf "Package: %s\nPin: version %s\nPin-Priority: 1001\n\n", $1, $2 }'; }

# Archives other than security archives may only supply new packages that a fix needs (a priority below 100 upgrades
# nothing), in their normal order of preference. Archives are identified by their Release data.
apt_security_pins() {
  apt_cache policy | awk '
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

# Upgrades that come from another archive nevertheless, e.g. because of an administrator's pin, are kept back too.
# Returns 0 when there were any.
apt_pin_strays() {
  awk '$1 == "Inst" && $3 ~ /^\[/ && !/Debian-Security:|Ubuntu[A-Za-z]*:[^ ,]*-security/ { sub(/:.*/, "", $2); print $2 }' \
    "$1/simulation" >"$1/stray"
  apt_keep_strays "$1"
}

# Those found by the plan of this set, without solving it again: `_verify` compares the result with the plan in
# any case. Fails if that plan is no longer available.
apt_planned_strays() {
  for plan in "$state_dir/runs/$token"-plan-*; do
    [ -e "$plan/stray" ] && grep -qsx "digest $expect" "$plan/result" || continue
    cp "$plan/stray" "$dir/stray" || return 1
    apt_keep_strays "$dir"
    return 0
  done
  return 1
}

apt_keep_strays() {
  [ -s "$1/stray" ] || return 1
  # shellcheck disable=SC2046
  apt_versions $(cat "$1/stray") | apt_version_pins >"$1/stray-pins"
  cat "$1/stray-pins" "$1/preferences" >"$1/preferences.new" && mv "$1/preferences.new" "$1/preferences"
}

# shellcheck disable=SC2016
apt_status_format='${db:Status-Abbrev}|${Package} ${Architecture} ${Version}\n'

apt_status() { dpkg-query ${admindir:+--admindir="$admindir"} -W -f="$apt_status_format" 2>/dev/null; }

# Checks the output of apt_status: prints the problem of the dpkg status file as a whole, if any. A file that was
# emptied or truncated between two packages is readable, and then nothing is pending for the missing packages.
apt_status_error() {
  counts=$({ printf '%s\n' /var/lib/dpkg/info/*.list; cat; } | awk -F '[| ]+' '
    /^\// { sub(/^.*\//, ""); sub(/\.list$/, ""); lists[$0]; next }
    NF > 2 { named++; names[$2]; names[$2 ":" $3] }
    END { for (name in lists) if (!(name in names)) unnamed++; print named + 0, unnamed + 0 }')
  if [ "${counts% *}" -eq 0 ]; then
    said=$(timeout 15 dpkg-query -W 2>&1 >/dev/null | head -n 2 | sed 's/^dpkg-query: error: //' | tr -s '\n ' ' ')
    echo "dpkg cannot read its database: ${said:-/var/lib/dpkg/status names no package}"
  elif [ "${counts#* }" -gt 5 ] && [ $((${counts#* } * 10)) -gt "${counts% *}" ]; then
    echo "/var/lib/dpkg/status does not name ${counts#* } packages whose files are installed"
  fi
}

# apt_status_is_whole [DIR]: fails when the dpkg status file is damaged, with the error and an intact copy.
apt_status_is_whole() {
  damage=$(apt_status | apt_status_error)
  [ -n "$damage" ] || return 0
  admindir=${1:-$dir}/admin
  copy=''
  case $damage in
    */var/lib/dpkg/status*)
      for file in /var/lib/dpkg/status-old /var/backups/dpkg.status.0; do
        mkdir -p "$admindir/info" "$admindir/updates" "$admindir/triggers"
        cp "$file" "$admindir/status" 2>/dev/null || continue
        [ -n "$(apt_status | apt_status_error)" ] || { copy="; its copy $file is whole"; break; }
      done
      ;;
  esac
  rm -rf "$admindir"
  admindir=''
  echo "E: ${damage% }$copy"
  return 1
}

# Packages on disk, configured or not, `name arch version` per line.
apt_installed() { apt_status | apt_on_disk; }

apt_on_disk() { awk -F '|' 'NF && substr($1, 2, 1) !~ /[nc]/ { print $2 }' | sort; }

apt_problems() {
  awk -F '|' 'substr($1, 2, 1) ~ /[HUFWt]/ || substr($1, 3, 1) == "R" { split($2, p, " "); print p[1] " is not fully installed (" $1 ")" }'
  for journal in /var/lib/dpkg/updates/[0-9]*; do
    [ -e "$journal" ] && echo 'dpkg was interrupted' && break
  done
}

apt_report() {
  # Kept in memory: the disk may be full.
  status=$(apt_status)
  printf '%s\n' "$status" | apt_on_disk >"$after"
  changed_since_baseline
  find /etc -xdev \( -name '*.dpkg-dist' -o -name '*.dpkg-new' -o -name '*.ucf-dist' \) -cnewer "$dir/started" |
    head -n 100 | sed 's/^/conffile /'
  printf '%s\n' "$status" | apt_problems | head -n 100 | sed 's/^/problem /'
}

apt_facts() {
  status=$(ask dpkg-query 15 dpkg-query -W -f="$apt_status_format" 2>/dev/null)
  # A timeout is reported as such; a failure means a damaged database, which is reported as a problem below.
  case $? in 124 | 137 | 143) [ -n "$status" ] || return 0 ;; esac
  list=$(printf '%s\n' "$status" | awk -F '[| ]+' 'substr($1, 2, 1) !~ /[nc]/ { print $2 ":" $3 "=" $4 }' | sort)
  printf '%s\n' "$list" | sha256sum | sed 's/^\(.\{16\}\).*/packages_digest=\1/'
  printf '%s\n' "$list" | awk 'END { print "packages_count=" NR }'
  printf '%s\n' "$status" | apt_problems | head -n 50 | sed 's/^/package_problem=/'
  printf '%s\n' "$status" | apt_status_error | sed 's/^/package_problem=/'
  printf '%s\n' "$status" | apt_lost_lists | while read -r name version; do
    if grep -qsxF "$name $version" "$state_dir/lost-lists"; then
      echo "package_warning=dpkg has lost the list of files of ${name%:*} $version"
    else
      echo "package_problem=dpkg has lost the list of files of ${name%:*} $version"
    fi
  done | head -n 50
}

apt_lock_files() {
  lock_files="$lock_files /var/lib/dpkg/lock-frontend /var/lib/dpkg/lock /var/lib/apt/lists/lock /var/cache/apt/archives/lock"
}
