# --------------------------------------------------------------------------------------------------- packages of rpm
#
# Common parts of dnf and zypper. A change is a line `KIND NAME ARCH OLD NEW`, `-` for no version; kinds: upgrade,
# install, remove, obsolete (replaced by another name), downgrade, reinstall, vendor, and skip for packages kept because
# of unmet dependencies.

kubernetes_rpm='kubelet kubeadm kubectl kubernetes-cni cri-tools containerd containerd.io docker docker-ce* moby-engine runc cri-o*'

# Sets held to the globs of kept packages.
rpm_held() {
  held=$exclude
  [ "$kubernetes" = yes ] || ! is_kubernetes_node || held="$held $kubernetes_rpm"
}

# Packages in the database, `name arch version` per line. Keys are in it too, as packages.
rpm_installed() {
  ask 'the rpm database' 15 rpm -qa --qf '%{NAME} %{ARCH} %|EPOCH?{%{EPOCH}:}:{}|%{VERSION}-%{RELEASE}\n' 2>/dev/null |
    sed '/^gpg-pubkey /d; s/ 0:/ /' | sort
}

# The packages of a list with several versions that must not have them, left by an interrupted transaction.
rpm_duplicates() {
  list=$(cut -d' ' -f1,2 | uniq -d)
  [ -n "$list" ] || return 0
  # shellcheck disable=SC2046
  several=$(ask 'the rpm database' 10 rpm -q --qf '%{NAME}\n' --whatprovides kernel 'installonlypkg(kernel)' 'installonlypkg(kernel-module)' \
    'installonlypkg(vm)' 'multiversion(kernel)' $(rpm_several_allowed) 2>/dev/null | grep -v ' ' | sort -u)
  printf '%s\n' "$list" | while read -r name arch; do
    printf '%s\n' "$several" | grep -qxF "$name" || echo "$name $arch"
  done
}

# Names and provides that an administrator allows in several versions.
rpm_several_allowed() {
  cat /etc/yum.conf /etc/dnf/dnf.conf /etc/dnf/libdnf5.conf.d/*.conf /usr/share/dnf5/libdnf.conf.d/*.conf \
    /etc/zypp/zypp.conf /usr/etc/zypp/zypp.conf /etc/zypp/zypp.conf.d/*.conf 2>/dev/null | awk '
    /^(installonlypkgs|multiversion)[ \t]*=/ { on = 1; sub(/^[^=]*=/, ""); print; next }
    on && /^[ \t]/ { print; next }
    { on = 0 }' | tr -s ', \t' '[\n*]' | sed 's/^provides://' | grep -E '^[A-Za-z0-9][A-Za-z0-9._+()-]*$'
}

rpm_problems() {
  damage=$(rpm_damage)
  [ -z "$damage" ] || { echo "the rpm database cannot be read: $damage"; return; }
  rpm_duplicates | sed 's/\(.*\) \(.*\)/\1.\2 is installed in several versions/'
}

rpm_facts() {
  list=$(rpm_installed)
  [ -n "$list" ] || { rpm_problems </dev/null | head -n 1 | sed 's/^/package_problem=/'; return; }
  printf '%s\n' "$list" | sed 's/ /:/; s/ /=/' | sha256sum | sed 's/^\(.\{16\}\).*/packages_digest=\1/'
  printf '%s\n' "$list" | awk 'END { print "packages_count=" NR }'
  printf '%s\n' "$list" | rpm_problems | head -n 50 | sed 's/^/package_problem=/'
  # Includes a running transaction: the reader knows whether there is one.
  rpm_interrupted_problems | head -n 50 | sed 's/^/package_interrupted=/'
}

rpm_lock_files() {
  [ -n "${rpm_db-}" ] || rpm_db=$(ask rpm 5 rpm --eval '%_dbpath' 2>/dev/null)
  lock_files="$lock_files $rpm_db/.rpm.lock"
}

rpm_lock_pids='/run/zypp.pid /run/yum.pid /run/dnf/*.pid /var/cache/dnf/*.pid /var/lib/dnf/*.pid /var/log/*log_lock.pid'

# dnf and zypper leave files with their pid.
rpm_lock_pid() {
  for lock_file in $rpm_lock_pids; do
    rpm_has_owner "$lock_file" && return 0
  done
  return 1
}

# rpm_has_owner FILE: sets lock_pid and lock_name; 1 = no package manager has this pid, 2 = there is none in it.
rpm_has_owner() {
  [ -s "$1" ] && read -r lock_pid <"$1" && valid_number "$lock_pid" || return 2
  lock_name=''
  has_roots_rights "$lock_pid" || return 1
  read -r lock_name 2>/dev/null <"/proc/$lock_pid/comm"
  case $lock_name in
    dnf* | yum* | zypper* | packagekit* | Zypp*) return 0 ;;
    python* | platform-python*) tr '\0' ' ' <"/proc/$lock_pid/cmdline" 2>/dev/null | grep -qE '/(dnf|yum|packagekit)' && return 0 ;;
  esac
  return 1
}

# A killed process leaves its pid behind, which another process may reuse: dnf and zypper then wait for that one.
rpm_drop_stale_locks() {
  for lock_file in $rpm_lock_pids; do
    rpm_has_owner "$lock_file"
    [ $? -ne 1 ] || rm -f "$lock_file"
  done
}

rpm_report() {
  rpm_installed >"$after"
  changed_since_baseline
  find /etc -xdev \( -name '*.rpmnew' -o -name '*.rpmsave' -o -name '*.rpmorig' \) -cnewer "$dir/started" |
    head -n 100 | sed 's/^/conffile /'
  rpm_problems <"$after" | head -n 100 | sed 's/^/problem /'
  rpm_interrupted_problems | head -n 100 | sed 's/^/problem /'
  failed_scripts | sed 's/^/script-failed /'
}

# Packages whose scriptlet failed: rpm installs them nevertheless, and the package managers report success.
failed_scripts() {
  sed -n 's/.*warning: %[a-z]*(\([^)]*\)) scriptlet failed.*/\1/p
    s/.*Error in \(POST\|PRE\)[A-Z]* scriptlet in rpm package \([^ ]*\).*/\2/p' "$dir/log" | sort -u | head -n 20
}

# Whether the plan was executed: dnf and zypper may be configured to simulate, or only to download.
rpm_is_applied() {
  [ -s "$dir/changes" ] && [ -s "$dir/after" ] || return 0
  awk 'NR == FNR { have[$1 " " $3] = 1; next }
    ($1 == "upgrade" || $1 == "install") && !(($2 " " $5) in have) { print "ospatch: " $2 " " $5 " was to be installed and is not"; missing = 1 }
    END { exit missing }' "$dir/after" "$dir/changes"
}

# rpm_disabled_repositories DIR: disabled repositories with updates of the distribution, as `repository-off ID`.
rpm_disabled_repositories() {
  cat "$1"/*.repo 2>/dev/null | awk '
    function done() { if (off && id ~ /(^|[-_])(updates|security|baseos|appstream)(-rpms)?$|^(base|ol[0-9]+_(baseos|appstream)_latest|amzn2-core|amazonlinux)$/ && id !~ /^rhel-|test|debug|source/) print "repository-off", id }
    /^ *\[/ { done(); id = tolower($0); gsub(/^ *\[|\].*$/, "", id); off = 0 }
    /^enabled *[=:] *(0|no|off|false) *$/ { off = 1 }
    END { done() }' | head -n 20
}

# rpm_lists_age DIR...: seconds since any list of packages was written.
rpm_lists_age() {
  newest=$(find "$@" -maxdepth 4 ! -name '*.rpm' -type f -printf '%T@\n' 2>/dev/null | sort -n | tail -n 1)
  [ -z "$newest" ] || echo "lists-age $(($(date +%s) - ${newest%.*}))"
}

# rpm_pending DIR: a driver's simulation in DIR/changes and DIR/simulation, for the controller to parse.
rpm_pending() {
  plan_lines "$1" "$held" "$kubernetes_rpm"
  sed '/^<progress /d; s/^/out /' "$1/simulation"
}
