# ---------------------------------------------------------------------------------------- other updaters and reboots
#
# `other_updater=` and `reboot_owner=` of each, read from its own configuration by its own tool,
# `updater_running=` of a running one; `reboot_schedule=` names scheduled reboots of the node.

# Sets enabled, interval, reboot and shutdown (true or false) of unattended-upgrades.
unattended_settings() {
  enabled='' interval='' reboot='' shutdown=''
  # Interval and Enable are numbers or `always`; only apt knows all spellings of a truth value.
  while IFS="='" read -r name _ value _; do
    case $name in enabled) enabled=$value ;; interval) interval=$value ;; reboot) reboot=$value ;; shutdown) shutdown=$value ;; esac
  done <<SETTINGS
$(ask apt-config 5 apt-config shell enabled APT::Periodic::Enable interval APT::Periodic::Unattended-Upgrade \
    reboot Unattended-Upgrade::Automatic-Reboot/b shutdown Unattended-Upgrade::InstallOnShutdown/b 2>/dev/null)
SETTINGS
}

# unattended_upgrades HOW: its effect when started by HOW (timer, cron, shutdown).
unattended_upgrades() {
  [ -x /usr/bin/unattended-upgrade ] || return 0
  unattended_settings
  case $1 in
    timer) case $enabled:$interval in 0:* | *:0 | *:) return ;; esac ;;
    shutdown) [ "$shutdown" = true ] || return 0 ;;
  esac
  case $1 in
    timer) echo 'other_updater=unattended-upgrades' ;;
    *) echo "other_updater=unattended-upgrades by $1" ;;
  esac
  [ "$reboot" != true ] || echo 'reboot_owner=unattended-upgrades with Automatic-Reboot'
}

# ini_value SECTION KEY FILE...: the last one wins, in lower case; as in Python, keys are case-insensitive.
ini_value() {
  section=$1 key=$2
  shift 2
  awk -v section="$section" -v key="$key" '
    FNR == 1 { here = 0 }
    /^[ \t]*[#;]/ { next }
    /^\[/ { here = (tolower($0) ~ "^\\[" section "\\]"); next }
    here && match($0, /[=:]/) {
      name = tolower(substr($0, 1, RSTART - 1)); value = tolower(substr($0, RSTART + 1))
      gsub(/^[ \t]+|[ \t]+$/, "", name); gsub(/^[ \t]+|[ \t\r]+$/, "", value)
      if (name == key) found = value
    }
    END { print found }' "$@" 2>/dev/null
}

# dnf_automatic UNIT: for dnf 4, dnf 5, whose shipped file comes first, and yum.
dnf_automatic() {
  set -- "$1"
  for file in /usr/share/dnf5/dnf5-plugins/automatic.conf /etc/dnf/automatic.conf /etc/dnf/dnf5-plugins/automatic.conf \
    /etc/yum/yum-cron.conf; do
    [ ! -r "$file" ] || set -- "$@" "$file"
  done
  automatic=$1
  shift
  case $automatic in
    dnf-automatic-install.timer) ;;
    *)
      [ $# -gt 0 ] || return 0
      case $(ini_value commands apply_updates "$@") in yes | true | 1 | on) ;; *) return 0 ;; esac
      ;;
  esac
  echo "other_updater=${automatic%.*}"
  [ $# -gt 0 ] || return 0
  case $(ini_value commands reboot "$@") in when-*) echo "reboot_owner=${automatic%.*} with reboot" ;; esac
}

# Timers that no distribution ships are inspected; these are known not to patch.
is_harmless_timer() {
  case $1 in
    systemd-* | dpkg-db-backup.* | e2scrub_* | fstrim.* | logrotate.* | man-db.* | motd-news.* | fwupd-refresh.* | \
      anacron.* | phpsessionclean.* | certbot.* | sysstat-* | *-makecache.* | *updatedb.* | mdadm-* | mdmonitor* | \
      raid-check.* | snapper-* | btrfs-* | xfs_scrub_* | ua-timer.* | apt-news.* | esm-cache.* | update-notifier-* | \
      ospatch-* | apt-daily.timer | apt-daily-upgrade.timer | snapd.* | unbound-anchor.*) ;;
    *) return 1 ;;
  esac
}

# timer_updaters TIMER SERVICE: prints `LABEL<TAB>COMMAND` of a timer to be inspected, or its known effect.
timer_updaters() {
  case $1 in
    apt-daily-upgrade.timer) unattended_upgrades timer >&4 ;;
    dnf-automatic.timer | dnf-automatic-install.timer | dnf5-automatic.timer) dnf_automatic "$1" >&4 ;;
    os-update.timer | transactional-update.timer) echo "other_updater=$1" >&4 ;;
    dnf-automatic-*) ;;
    *) is_harmless_timer "$1" || printf '%s\t%s\n' "$1" "$2" ;;
  esac
}

# Reads `TIMER<TAB>SERVICE` lines; prints `TIMER<TAB>COMMAND` with the commands of these services.
timer_commands() {
  timers=$(grep -E '^[A-Za-z0-9@_.:-]+	[A-Za-z0-9@_.:-]+$' | head -n 50)
  [ -n "$timers" ] || return 0
  # shellcheck disable=SC2046
  ask 'systemctl show' 5 systemctl show -p Id,ExecStart $(echo "$timers" | cut -f2) 2>/dev/null </dev/null |
    awk -v timers="$timers" '
      BEGIN { n = split(timers, line, "\n"); for (i = 1; i <= n; i++) { split(line[i], p, "\t"); timer[p[2]] = p[1] } }
      /^ExecStart=/ { command = $0; sub(/.*argv\[\]=/, "", command); sub(/ ; ignore_errors=.*/, "", command); commands = commands "\n" command }
      /^Id=/ { id = substr($0, 4) }
      function flush() { m = split(commands, c, "\n"); for (i = 2; i <= m; i++) print timer[id] "\t" c[i]; commands = id = "" }
      /^$/ { flush() }
      END { flush() }'
}

# `LABEL<TAB>COMMAND` of cron jobs. Jobs that only run without systemd are skipped where systemd runs, and so are the
# tables of users: anybody may write into theirs that it patches the node, and only sudo makes it true.
cron_commands() {
  set --
  for file in /etc/crontab /etc/anacrontab /etc/cron.d/* /var/spool/cron/* /var/spool/cron/crontabs/* /var/spool/cron/tabs/* \
    /etc/crontabs/* /etc/cron.hourly/* /etc/cron.daily/* /etc/cron.weekly/* /etc/cron.monthly/* /etc/periodic/*/*; do
    [ -f "$file" ] && [ -s "$file" ] || continue
    case $file in
      /var/spool/cron/* | /etc/crontabs/*) [ "${file##*/}" = root ] || continue ;;
      */apt-compat) ! has_systemd || continue ;;
      */cron.hourly/* | */cron.daily/* | */cron.weekly/* | */cron.monthly/* | /etc/periodic/*) [ -x "$file" ] || continue ;;
    esac
    case $file in
      */opensuse.org-online_update) grep -qsiE '^AOU_ENABLE_CRONJOB="?true' /etc/sysconfig/automatic_online_update || continue ;;
      */0yum-daily.cron | */0yum-hourly.cron) continue ;;
    esac
    set -- "$@" "$file"
  done
  [ $# -eq 0 ] || awk '!/^[ \t]*(#|$)/ && FNR < 2000 { print "cron (" FILENAME ")\t" $0 }' "$@" 2>/dev/null
}

# Reads `LABEL<TAB>COMMAND` lines; a script named by a command is inspected as well.
schedule_facts() {
  # shellcheck disable=SC2016
  ask 'scheduled updaters' 5 awk -F '\t' '
    function is_dry(text) {
      return text ~ /--(simulate|dry-run|just-print|download-only|downloadonly|assumeno|no-act)/ || text ~ / -[a-z]*[sd][a-z]* / && text ~ /apt/
    }
    function updates(text) {
      if (text ~ /^[ \t]*#/ || is_dry(text " ")) return 0
      sub(/[ \t]#.*/, "", text)
      return text ~ /(^|[^A-Za-z0-9_.-])(apt-get|apt|aptitude)([ \t]+-[^ \t]+([ \t]*=[^ \t]+|[ \t]+[A-Za-z:-]+::?[^ \t]+)?)*[ \t]+((dist|full|safe)-)?upgrade/ ||
        text ~ /(^|[^A-Za-z0-9_.-])(dnf|dnf5|yum|microdnf)([ \t]+-[^ \t]+)*[ \t]+(update|upgrade|up|distro-sync|(update|upgrade)-minimal)([ \t;&|]|$)/ ||
        text ~ /(^|[^A-Za-z0-9_.-])zypper([ \t]+-[^ \t]+)*[ \t]+(up|update|patch|dup|dist-upgrade)([ \t;&|]|$)/ ||
        text ~ /(^|[^A-Za-z0-9_.-])apk([ \t]+-[^ \t]+)*[ \t]+upgrade/ ||
        text ~ /(^|[^A-Za-z0-9_.-])pkcon([ \t]+-[^ \t]+)*[ \t]+(update|offline-trigger)/ ||
        text ~ /(^|[\/ \t;&|])(unattended-upgrades?|dnf-automatic|transactional-update|apt\.systemd\.daily|apk-autoupdate)([ \t;&|]|$)/
    }
    function reboots(text) {
      return text ~ /(^|[\/ \t;&|])(reboot|shutdown([ \t]+-[a-zA-Z]+)*[ \t]+-[a-zA-Z]*r[a-zA-Z]*|shutdown[ \t]+-r|systemctl([ \t]+-[^ \t]+)*[ \t]+reboot|init[ \t]+6)([ \t;&|]|$)/
    }
    function looks_into(path,   text, n, hit) {
      if (path in known) return known[path]
      known[path] = 0
      if ((getline text < path) > 0 && text ~ /^#!/)
        while (n++ < 2000 && (getline text < path) > 0) if (updates(text)) { hit = 1; break }
      close(path)
      return known[path] = hit + 0
    }
    {
      command = $0; sub(/^[^\t]*\t/, "", command)
      hit = updates(command)
      n = split(command, word, /[ \t;&|()<>"'"'"']+/)
      for (i = 1; i <= n && !hit && looked < 60; i++)
        if (word[i] ~ /^\/[A-Za-z0-9._\/-]+$/ && word[i] !~ /^\/(dev|proc|sys|run|home|tmp|var\/tmp)\// && word[i] !~ /\/\.\.\//) { looked++; hit = looks_into(word[i]) }
      if (hit && !(1 SUBSEP $1 in said)) { said[1 SUBSEP $1]; print (command ~ /unattended-upgrade|apt\.systemd\.daily/ ? "unattended=" : "other_updater=") $1 }
      if (reboots(command) && !(2 SUBSEP $1 in said)) { said[2 SUBSEP $1]; print "reboot_schedule=" $1 }
    }' | while IFS= read -r line; do
    case $line in
      unattended=*) unattended_upgrades "${line#*=}" ;;
      *) echo "$line" ;;
    esac
  done
}

# A running process of another updater; it may hold no lock at the moment.
running_updater() {
  for id in $(roots_named 'unattended-upgr|dnf-automatic|yum-cron|pk-offline-upda|transactional-u'); do
    is_roots_here "$id" || continue
    words=$(tr '\0' ' ' 2>/dev/null <"/proc/$id/cmdline")
    # It waits for the shutdown of the system all the time.
    case $words in '' | *unattended-upgrade-shutdown*) continue ;; esac
    read -r name 2>/dev/null <"/proc/$id/comm" && echo "updater_running=$name (pid $id)" && return
  done
}

# Reads the output of `systemctl show -p Id,ActiveState,Unit` for units and timers.
updater_facts() {
  exec 4>&1
  {
    active_units | timer_commands
    cron_commands
  } | schedule_facts
  exec 4>&-
  running_updater
  if [ -L /system-update ] || [ -e /system-update ]; then
    echo 'other_updater=an offline update that waits for the next boot (/system-update)'
  fi
}

active_units() {
  id='' state='' service=''
  while IFS='=' read -r key value; do
    case $key in
      Id) id=$value ;;
      ActiveState) state=$value ;;
      Unit) service=$value ;;
      '') active_unit "$id" "$state" "$service" && id='' state='' service='' ;;
    esac
  done
  active_unit "$id" "$state" "$service"
}

# active_unit NAME STATE SERVICE: SERVICE is the unit started by a timer.
active_unit() {
  case $2 in active | activating | reloading) ;; *) return 0 ;; esac
  case $1 in
    *.timer) timer_updaters "$1" "$3" ;;
    rebootmgr.service)
      case $(ask rebootmgrctl 3 rebootmgrctl get-strategy 2>/dev/null) in *[Oo]ff*) ;; *) echo 'reboot_owner=rebootmgr' >&4 ;; esac
      ;;
    apt-daily.service | apt-daily-upgrade.service) echo "updater_running=$1" >&4 ;;
    unattended-upgrades.service) unattended_upgrades shutdown >&4 ;;
    yum-cron.service) dnf_automatic "$1" >&4 ;;
    '') ;;
    *) echo "kubernetes_agent=${1%.service}" >&4 ;;
  esac
}
