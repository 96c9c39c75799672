# -------------------------------------------------------------------------------------------- outdated code
#
# A process runs outdated code when an executable or library that it has mapped was replaced or removed on disk: the
# kernel then shows it as `(deleted)` in /proc/PID/maps, which needrestart, `dnf needs-restarting` and `zypper ps` read
# too; reading it directly takes milliseconds, on every family. It does not show scripts and modules that an interpreter
# has read and closed. The script of a service is compared with the start time of the service; modules are known only to
# needrestart, which is run where it is installed and a service uses an interpreter.

# Configuration, state and scratch files are not code; neither are files outside of the directories of packages.
code_places='/(usr|opt|lib[0-9a-z]*|bin|sbin)/'
interpreters='(python|perl|ruby|java|node|php|bash|dash)[0-9.]*'

# replaced_mappings OPTION: executable mappings that were replaced, and those of interpreters, as `/proc/PID/maps:...`, of
# the processes of users (-l) or all others (-L). Users may have any number of processes and mappings, and may make a
# reader of one wait; so theirs are read apart, and each with a limit.
replaced_mappings() {
  printf '%s\n' /proc/[0-9]*/cgroup | xargs -r grep "-s$1" '/user[.]slice/' | sed 's/cgroup$/maps/' |
    limited 'memory maps' 10 xargs -r grep -sE "( ..x. [^ ]+ [^ ]+ [0-9]+ +$code_places.* [(]deleted[)]| /([^m]|m[^e]|me[^m]|mem[^f]|memf[^d]).*[.]jar [(]deleted[)]| ..x. .* $code_places.*/$interpreters)\$"
}

# limited PART LIMIT COMMAND...: as `ask`, and with a limit in jobs too.
limited() {
  if [ -n "$facts_until" ]; then ask "$@"; return; fi
  limit=$(($2 * 3))
  shift 2
  timeout -k 1 "$limit" "$@"
}

# For OpenRC: `service exec pidfile` of every supervised daemon.
openrc_daemons() {
  for place in /run/openrc/daemons/*/*; do
    [ -f "$place" ] || continue
    service=${place%/*}
    sed -n "s|^\(exec\)=|${service##*/} exec |p; s|^\(pidfile\)=|${service##*/} pidfile |p" "$place"
  done 2>/dev/null
}

# Reads replaced_mappings and prints, once each:
#   service NAME      a unit (or an OpenRC service) with a process on outdated code
#   member PID NAME   such a process
#   user_service TEXT a service of a user manager, or that manager itself
#   session TEXT      a login session; that of this call is not counted, since it ends with the call
#   container NAME    a container on the file system of the node, or its shim or conmon
#   process TEXT      anything else
#   script PID START NAME   a service on an interpreter without outdated mappings, and its start time
classify_processes() {
  # shellcheck disable=SC2016
  limited 'processes on outdated code' 10 awk -v self="$$" -v login="${SUDO_USER:-root}" -v systemd="$(has_systemd && echo yes)" -v own_unit="$unit" '
    function first_line(file,  line) { line = ""; if ((getline line <file) < 0) line = ""; close(file); return line }
    function clean(text) { gsub(/[^ -~]/, "?", text); return substr(text, 1, 80) }
    # Sets p_comm, p_parent and p_start (ticks since the boot). The name may contain anything, including a line feed.
    function read_stat(pid,  file, line, text, field) {
      file = "/proc/" pid "/stat"; text = ""
      while ((getline line <file) > 0) text = text line "\n"
      close(file)
      if (!match(text, /.*\) /)) return 0
      p_comm = text; sub(/^[0-9]+ \(/, "", p_comm); sub(/\) [^)]*$/, "", p_comm)
      split(substr(text, RLENGTH + 1), field, " ")
      p_parent = field[2]; p_start = field[20]
      return 1
    }
    function parent_of(pid) {
      if (!(pid in parent)) parent[pid] = read_stat(pid) ? p_parent : 0
      return parent[pid]
    }
    function cgroup_of(pid,  file, line, unified, named) {
      file = "/proc/" pid "/cgroup"; unified = named = ""
      while ((getline line <file) > 0) {
        if (line ~ /^0::/) unified = substr(line, 4)
        else if (line ~ /^[0-9]+:name=systemd:/) { named = line; sub(/^[0-9]+:name=systemd:/, "", named) }
      }
      close(file)
      if (named == "" || named == "/") named = unified
      # Inside a container the paths may begin with those of the host.
      if (outside != "" && index(named, outside "/") == 1) named = substr(named, length(outside) + 1)
      return named
    }
    # The root file system of a process.
    function root_of(pid,  file, line, field, root) {
      file = "/proc/" pid "/mountinfo"; root = ""
      while ((getline line <file) > 0) { split(line, field, " "); if (field[5] == "/") root = field[3] " " field[4] }
      close(file)
      return root
    }
    # A separate root file system has its own packages, which are not those of the node.
    function has_own_root(pid) { return root_of(pid) != root_of("self") }
    # The shim of a container, with the container id from its arguments: `-id ID` (shim), `-n NAME` or `-c ID` (conmon).
    function keeper_of(pid, name,  file, line, count, word, at, id, space) {
      file = "/proc/" pid "/cmdline"; line = first_line(file)
      count = split(line, word, "\0"); id = space = ""
      for (at = 1; at < count; at++) {
        if (word[at] == "-id" || word[at] == "-n" || (word[at] == "-c" && id == "")) id = substr(word[at + 1], 1, 40)
        if (word[at] == "-namespace") space = word[at + 1] "/"
      }
      return id == "" ? name : name " of " space id
    }
    function owner_of(pid,  file, line, field) {
      file = "/proc/" pid "/status"; line = ""
      while ((getline line <file) > 0) if (line ~ /^Uid:/) { split(line, field, /[ \t]+/); break }
      close(file)
      return field[2] + 0
    }
    function user_of(uid,  line, field) {
      while ((getline line <"/etc/passwd") > 0) { split(line, field, ":"); if (field[3] == uid) { close("/etc/passwd"); return clean(field[1]) } }
      close("/etc/passwd")
      return "uid " uid
    }
    function is_own(pid,  depth) {
      for (depth = 0; pid > 1 && depth < 64; depth++) { if (pid in ours) return 1; pid = parent_of(pid) }
      return 0
    }
    # A login of sshd without a unit of its own because pam_systemd is missing: its sshd process.
    function login_of(pid,  depth, up) {
      for (depth = 0; pid > 1 && depth < 64; depth++) {
        up = parent_of(pid)
        if (up > 1 && first_line("/proc/" pid "/comm") ~ /^(sshd|sshd-session|dropbear)$/) return pid
        pid = up
      }
      return 0
    }
    # Other connections of the login user are logins of programs like ours, and end in the same way.
    function say_login(pid,  title) {
      title = first_line("/proc/" pid "/cmdline")
      if (title ~ /^sshd[^:]*: /) { sub(/^sshd[^:]*: /, "", title); sub(/[@ ].*/, "", title) } else title = ""
      if (title == login && first_line("/proc/" pid "/cmdline") !~ /@(pts|tty)/) return
      say("session", title == "" ? "a login by ssh" : clean(title) " (by ssh)")
    }
    function say(kind, name) { if (!((kind, name) in said) && ++count[kind] <= 100) print kind " " name; said[kind, name] = 1 }
    # Prints what pid is a part of. Only the name of a service is returned; "" for anything else.
    function service_of(pid, path,  name, at) {
      if (systemd == "") {
        for (at = pid; at > 1; at = parent_of(at)) {
          if (at in by_pid) return by_pid[at]
          name = "/" first_line("/proc/" at "/comm")
          if (name in by_exec) return by_exec[name]
        }
        return ""
      }
      if (path !~ /\.service(\/|$)/ || path ~ /\/user@[0-9]+\.service(\/|$)/) return ""
      match(path, /[^\/]+\.service(\/|$)/)
      name = substr(path, RSTART, RLENGTH); sub(/\/$/, "", name)
      return name
    }
    function tell(pid,  path, name, uid, rest) {
      path = cgroup_of(pid)
      if (!read_stat(pid)) return
      name = p_comm
      if (pid == 1) { say("service", systemd == "" ? "init" : "systemd-manager"); return }
      # Processes from the initial RAM disk are marked, and run from files that were removed with it.
      if (is_own(pid) || first_line("/proc/" pid "/cmdline") ~ /^@/) return
      if (path ~ /\/(docker|lxc|lxc\.payload[^\/]*|kubepods[^\/]*|machine\.slice|libpod[^\/]*)\// || path ~ /(docker|libpod|cri-containerd|crio|nerdctl)-[0-9a-f]+/) {
        if (has_own_root(pid)) return
        rest = path; sub(/.*\//, "", rest); sub(/\.scope$/, "", rest)
        say("container", clean(substr(rest, 1, 40) " (" name ")"))
        return
      }
      if (name ~ /^(containerd-shim|docker-containe|conmon|crio-conmon)/) { say("container", clean(keeper_of(pid, name))); return }
      # A container that its runtime has placed elsewhere, e.g. containerd without systemd.
      if (path !~ /\.(service|scope)(\/|$)/ && has_own_root(pid)) return
      if (match(path, /\/user-[0-9]+\.slice\/session-[^\/]+\.scope/)) {
        rest = substr(path, RSTART, RLENGTH); uid = rest; sub(/^\/user-/, "", uid); sub(/\.slice.*/, "", uid)
        sub(/.*\/session-/, "", rest); sub(/\.scope$/, "", rest)
        if (index(own_path, "/user-" uid ".slice/") && (index(own_path, "/session-" rest ".scope") || name ~ /^sshd/)) return
        say("session", user_of(uid) " (session " clean(rest) ")")
        return
      }
      if (match(path, /\/user@[0-9]+\.service(\/|$)/)) {
        rest = substr(path, RSTART + RLENGTH); uid = substr(path, RSTART + 6); sub(/\.service.*/, "", uid)
        # The user manager of the login user starts and stops with our own logins.
        if (rest ~ /^init\.scope$/) { if (!index(own_path, "/user-" uid ".slice/")) say("user_service", "systemd of " user_of(uid)); return }
        if (match(rest, /[^\/]+\.service(\/|$)/)) {
          rest = substr(rest, RSTART, RLENGTH); sub(/\/$/, "", rest)
          say("user_service", clean(rest) " of " user_of(uid))
          return
        }
        sub(/.*\//, "", rest)
        say("session", user_of(uid) " (" clean(rest) ")")
        return
      }
      rest = service_of(pid, path)
      if (rest == own_unit || rest ~ /^ospatch-(job|reboot)\./) return
      if (rest ~ /^(sshd?|dropbear)(@.*)?(\.service)?$/ && (rest ~ /@/ || login_of(pid))) { say_login(login_of(pid) ? login_of(pid) : pid); return }
      # Jobs and logins of users outlive a restart of what started them.
      if (rest ~ /^(sshd?|dropbear|crond?|cronie|fcron|bcron|anacron|atd?|incron|incrond)(\.service)?$/ && (uid = owner_of(pid)) != 0) {
        say("session", user_of(uid) " (" clean(name) " of " clean(rest) ")")
        return
      }
      if (rest != "") { say("service", clean(rest)); if (++members[rest] <= 64) print "member " pid " " clean(rest); return }
      if (login_of(pid)) { say_login(login_of(pid)); return }
      if (match(path, /[^\/]+\.scope(\/|$)/)) { rest = substr(path, RSTART, RLENGTH); sub(/\/$/, "", rest); name = name " of " rest }
      say("process", clean(name))
    }
    BEGIN {
      outside = cgroup_of(1); sub(/\/init\.scope$/, "", outside); if (outside == "/") outside = ""
      own_path = cgroup_of("self")
      # Our own login: everything between this process and the child of init.
      for (pid = self; pid > 1 && depth++ < 64; pid = parent_of(pid)) if (parent_of(pid) > 1) ours[pid] = 1
    }
    /^rc / {
      if ($3 == "exec") { name = $4; sub(/.*\//, "/", name); by_exec[name] = $2 }
      else if ((pid = first_line($4)) + 0 > 1) by_pid[pid + 0] = $2
      next
    }
    {
      pid = substr($0, 7); sub(/\/.*/, "", pid); pid += 0
      if ($0 ~ /\(deleted\)$/) old[pid] = 1; else interpreted[pid] = 1
    }
    END {
      for (pid in old) tell(pid)
      for (pid in interpreted) {
        if (pid in old || is_own(pid)) continue
        name = service_of(pid, cgroup_of(pid))
        if (name == "" || name == own_unit || ("service", name) in said) continue
        if (!(name in lowest) || pid + 0 < lowest[name] + 0) lowest[name] = pid
      }
      while ((getline line <"/proc/stat") > 0) if (line ~ /^btime /) booted = substr(line, 7)
      for (name in lowest) if (read_stat(lowest[name])) printf "script %d %d %s\n", lowest[name], booted + p_start / 100, clean(name)
    }'
}

# The script of an interpreter, if it is in a directory of packages.
script_of() {
  tr '\0\n' '\n ' 2>/dev/null <"/proc/$1/cmdline" | sed -n '2,12{
    /^\/usr\/./{p;q;}
    /^\/opt\/./{p;q;}
    /^\/s*bin\/./{p;q;}
  }'
}

# Reads the output of classify_processes and classifies the scripts: one replaced after its service was started, within
# the precision of these clocks. `asked` is the list for needrestart.
decide_scripts() {
  asked=''
  while read -r kind first second name; do
    [ "$kind" = script ] || { echo "$kind $first${second:+ $second}${name:+ $name}"; continue; }
    asked="$asked $name"
    path=$(script_of "$first")
    # By path, a user can have a script on a file system that never answers.
    case $path in */../*) path='' ;; esac
    changed=$([ -z "$path" ] || timeout 2 stat -L -c %Z "$path" 2>/dev/null)
    [ "${changed:-0}" -le $((second + 2)) ] || echo "service $name"
  done
  # shellcheck disable=SC2086
  [ -z "$asked" ] || needrestart_says $asked
}

# needrestart_says NAME...: which of these services it reports. Its other lines add nothing to the kernel's data, and
# without pam_systemd it reports our login as a service. Nothing becomes outdated while no package is installed, so a
# clean result holds until then.
needrestart_says() {
  [ -x /usr/sbin/needrestart ] || return 0
  key="$boot $(stat -c '%i.%Y.%s' /var/lib/dpkg/status /var/lib/rpm/* /usr/lib/sysimage/rpm/* 2>/dev/null | tr '\n' ' ')"
  [ "$(cat "$run_dir/needrestart-clean" 2>/dev/null)" != "$key $*" ] || return 0
  limited='timeout 10'
  [ -z "$facts_until" ] || limited='ask needrestart 10'
  answer=$(export NEEDRESTART_SUSPEND='' && $limited needrestart -b -l -r l 2>/dev/null </dev/null)
  case $? in
    0) ;;
    # The facts report this themselves.
    124 | 137 | 143) [ -n "$facts_until" ] || echo 'unknown needrestart'; return ;;
    *) echo 'unknown needrestart'; return ;;
  esac
  found=''
  for name in "$@"; do
    case "
$answer
" in *"
NEEDRESTART-SVC: $name
"*) echo "service $name" && found=yes ;; esac
  done
  [ -n "$found" ] || { mkdir -p "$run_dir" && echo "$key $*" >"$run_dir/needrestart-clean"; } 2>/dev/null
}

# Lines of classify_processes, without scripts.
outdated() {
  {
    {
      has_systemd || openrc_daemons | sed 's/^/rc /'
      replaced_mappings L
    } | classify_processes | decide_scripts
    users=$(replaced_mappings l)
    [ -z "$users" ] || printf '%s\n' "$users" | classify_processes | sed -n 's/^container /session container /; s/^process /session /; /^session /p; /^user_service /p'
  } | sort -u
}

# Outdated code of these is replaced only by a reboot.
needs_reboot() {
  case $1 in
    init | elogind | dbus | dbus.service | dbus-broker.service | messagebus.service | systemd-logind.service) ;;
    systemd-manager) [ "$(cat "$run_dir/reexec-in-vain" 2>/dev/null)" = "$boot" ] || return 1 ;;
    *) return 1 ;;
  esac
}

# Properties for `systemctl show`, of one unit or of many separated by empty lines.
unit_properties=Id,ActiveState,SubState,Type,KillMode,RefuseManualStop,RefuseManualStart,Transient,NRestarts,ActiveEnterTimestampMonotonic,LoadState,CanStart,MainPID,FragmentPath

clear_unit() {
  u_id='' u_active='' u_sub='' u_type='' u_kill='' u_refuse='' u_transient='' u_restarts='' u_entered=0 u_load='' u_start='' u_pid=0 u_file=''
}

# take_unit KEY VALUE: sets u_PROPERTY.
take_unit() {
  case $1 in
    Id) u_id=$2 ;; ActiveState) u_active=$2 ;; SubState) u_sub=$2 ;; Type) u_type=$2 ;; KillMode) u_kill=$2 ;;
    RefuseManualStop | RefuseManualStart) [ "$2" = no ] || u_refuse=yes ;;
    LoadState) u_load=$2 ;; CanStart) u_start=$2 ;; MainPID) u_pid=$2 ;; FragmentPath) u_file=$2 ;;
    Transient) u_transient=$2 ;; NRestarts) u_restarts=$2 ;; ActiveEnterTimestampMonotonic) u_entered=$2 ;;
  esac
}

# unit_values NAME: sets u_PROPERTY for the unit.
unit_values() {
  clear_unit
  while IFS='=' read -r key value; do
    take_unit "$key" "$value"
  done <<UNIT
$(timeout 20 systemctl show -p "$unit_properties" -- "$1" 2>/dev/null)
UNIT
}

# unit_blocker NAME PID...: sets blocker to the reason why `systemctl restart NAME` does not put these processes on
# new code, from u_*; empty when it does.
unit_blocker() {
  blocker=''
  unit_name=$1
  shift
  case $u_load in
    loaded | '') ;;
    # A mask is removed where it is; a mask in /usr, from a package, cannot be.
    masked) case $u_file in /run/*) blocker=masked-runtime ;; /etc/*) blocker=masked ;; *) blocker=gone ;; esac ;;
    not-found) blocker=gone ;;
    *) blocker=unreadable ;;
  esac
  [ -z "$blocker" ] || return 0
  if [ "$u_refuse" = yes ] || [ "$u_start" = no ]; then blocker=refuses
  elif [ "$u_type" = oneshot ] && [ "$u_active" = activating ]; then blocker=task
  elif [ "$u_transient" = yes ]; then blocker=transient
  elif matches "$unit_name" ssh sshd dropbear && [ "$u_kill" != process ]; then blocker=logins
  elif [ $# -gt 0 ]; then
    # Left by a service that has ended, or that was restarted and keeps its children.
    case $u_active/$u_kill in
      inactive/* | failed/*) blocker=left ;;
      active/process | active/none) case " $* " in *" $u_pid "*) ;; *) [ "$u_pid" = 0 ] || blocker=left ;; esac ;;
    esac
  fi
}

# Lines of `outdated` on standard input: the processes of this service.
members_of() {
  while read -r kind pid name; do
    [ "$kind" != member ] || [ "$name" != "$1" ] || printf '%s ' "$pid"
  done
}

# tell_blocker NAME: prints that the remedy is not `systemctl restart`; for a unit from u_*.
tell_blocker() {
  members=$(echo "$found" | members_of "$1")
  blocker=''
  # shellcheck disable=SC2086
  [ -z "$u_id" ] || unit_blocker "$1" $members
  if needs_reboot "$1"; then
    blocker=reboot
    echo "reboot_reason=$1 runs code that was replaced, and only a reboot starts it anew"
  elif [ -n "$blocker" ]; then :
  elif in_list "$1" "$never_restarted"; then blocker=connection
  elif in_list "$1" "$runtimes"; then blocker=runtime
  fi
  [ "$blocker" = left ] || members=''
  [ -z "$blocker" ] || echo "outdated_blocker=$1 $blocker${members:+ ${members% }}"
}

service_facts() {
  found=$(outdated)
  [ -n "$found" ] || return 0
  units=''
  while read -r kind name; do
    case $kind in
      unknown) echo "outdated_unknown=$name" ;;
      member) ;;
      *)
        echo "outdated_$kind=$name"
        [ "$kind" = service ] || continue
        if [ "$name" = systemd-manager ] || needs_reboot "$name" || ! has_systemd; then clear_unit && tell_blocker "$name"; else units="$units $name"; fi
        ;;
    esac
  done <<FOUND
$found
FOUND
  [ -n "$units" ] || return 0
  clear_unit
  set -f
  # shellcheck disable=SC2086
  values=$(ask 'systemctl show' 10 systemctl show -p "$unit_properties" -- $units 2>/dev/null)
  set +f
  while IFS='=' read -r key value; do
    if [ -n "$key" ]; then take_unit "$key" "$value"; continue; fi
    [ -z "$u_id" ] || tell_blocker "$u_id"
    clear_unit
  done <<VALUES
$values

VALUES
}

# ------------------------------------------------------------------------------------------------- restarting services

valid_unit_glob() {
  case $1 in '' | [.:@-]* | *[!A-Za-z0-9._:@*?-]*) return 1 ;; esac
  [ ${#1} -le 128 ]
}

# The lists contain globs, separated by spaces: never expand them with globbing on.
default_restart() { restart_mode=never restart_wanted='' restart_ignored='' restart_globs=0 drained=no; }

# take_restart LINE: 0 when it is a valid line of the policy.
take_restart() {
  value=${1#*=}
  case $1 in
    restart=listed | restart=auto) restart_mode=$value ;;
    restart_service=* | restart_ignore=*)
      restart_globs=$((restart_globs + 1))
      valid_unit_glob "$value" && [ "$restart_globs" -le 200 ] || return 1
      case $1 in
        restart_service=*) restart_wanted="$restart_wanted $value" ;;
        *) restart_ignored="$restart_ignored $value" ;;
      esac
      ;;
    drained=yes) drained=yes ;;
    *) return 1 ;;
  esac
}

restart_lines() {
  [ "$restart_mode" = never ] || echo "restart=$restart_mode"
  [ "$drained" = no ] || echo drained=yes
  set -f
  for glob in $restart_wanted; do echo "restart_service=$glob"; done
  for glob in $restart_ignored; do echo "restart_ignore=$glob"; done
  set +f
}

# matches NAME GLOB...: NAME is a service, which a glob may name without its `.service`.
matches() {
  matched=$1
  shift
  for glob in "$@"; do
    # shellcheck disable=SC2254
    case $matched in $glob | $glob.service) return 0 ;; esac
  done
  return 1
}

in_list() {
  set -f
  # shellcheck disable=SC2086
  matches "$1" $2
  listed=$?
  set +f
  return $listed
}

# Services whose restart breaks others. The first list is from needrestart's own configuration, extended by similar
# ones: our connection (network, tunnels), the bus and logins, package jobs, machines and containers.
never_restarted='dbus dbus-broker messagebus systemd-logind elogind polkit* systemd-networkd* NetworkManager* ModemManager*
  network* ifup* ifupdown* dhcpcd* dhclient* connman* iwd wpa_supplicant* hostapd* bluetooth* bird* quagga* frr* openvpn*
  tinc* wg-quick* wireguard* tailscaled* zerotier* netbird* nebula* cloudflared* teleport* strongswan* openswan* freeswan*
  libreswan* ipsec* vpn* pppd* gdm* kdm* nodm* sddm* wdm* xdm* lightdm* slim lxdm* greetd* display-manager getty* agetty*
  serial-getty* console-getty* container-getty* autovt* user@* user-runtime-dir@* ospatch* apt-daily* apt.* unattended-upgrades*
  packagekit* dnf* yum* zypp* dracut* dpkg* cloud-init* cloud-config* cloud-final* rc-local* emergency* rescue* cron-*
  zfs-fuse* mythtv-backend* xendomains* lxcfs* lxd* lxc* incus* libvirt* virtlog* virtlock* virtqemud* virt*d systemd-nspawn@*
  machine-* iscsid* open-iscsi* multipathd* lvm2-* dm-event* glusterd* gluster* drbd*'
# Services that would lose requests or cluster membership: restarted only if listed in the policy.
named_only='mysql* mariadb* postgres* pgbouncer* mongo* redis* valkey* memcached* elasticsearch* opensearch* cassandra*
  scylla* etcd* influx* clickhouse* couchdb* cockroach* neo4j* rabbitmq* kafka* zookeeper* ceph* minio* consul* vault*
  nomad* slapd* corosync* pacemaker* keepalived* patroni* oracle* db2* mssql* firebird* riak* solr* galera*'
# Container runtimes and Kubernetes agents: restarted only while ospatch has drained the node.
runtimes='containerd* docker* crio* cri-o* kubelet* k3s* rke2* k0s* podman* snap.microk8s*'

# Succeeds when only root can change any of these.
only_roots() {
  for place in "$@"; do
    case $(stat -c '%u %A' "$place" 2>/dev/null) in '0 '?????-??-?) ;; *) return 1 ;; esac
  done
}

# Prints the services that needrestart's own configuration excludes, or fails when it cannot be read.
needrestart_refuses() {
  configuration=/etc/needrestart/needrestart.conf
  [ -r "$configuration" ] && command -v perl >/dev/null 2>&1 || return 0
  for place in /etc/needrestart/conf.d /etc/needrestart/conf.d/*; do [ ! -e "$place" ] || only_roots "$place" || return 1; done
  only_roots "$configuration" /etc/needrestart || return 1
  # It is a Perl program, executed the same way by needrestart.
  # shellcheck disable=SC2016
  timeout 10 perl -e '
    our %nrconf = (verbosity => 0, restart_d => "", override_rc => {}, blacklist_rc => []);
    our $LOGPREF = "";
    open(my $file, "<", "/etc/needrestart/needrestart.conf") or exit 1;
    my $text = do { local $/; <$file> };
    eval $text;
    exit 1 if $@;
    for my $name (@ARGV) {
      my @found = map { $nrconf{override_rc}{$_} } grep { $name =~ /$_/ } keys %{ $nrconf{override_rc} };
      my $refused = grep({ $name =~ /$_/ } @{ $nrconf{blacklist_rc} }) || (@found && !grep { $_ } @found);
      print "$name\n" if $refused;
    }' "$@" 2>/dev/null </dev/null
}

# Sets reason to why this service is not restarted; empty when it is.
why_not() {
  reason=''
  if in_list "$1" "$restart_ignored"; then reason='patching.restartServices ignores it'
  elif [ "$restart_mode" = listed ] && ! in_list "$1" "$restart_wanted"; then reason='not listed in patching.restartServices'
  elif needs_reboot "$1"; then reason='only a reboot starts it anew'
  elif in_list "$1" "$never_restarted"; then reason='a restart may cut connections, logins or what changes packages'
  elif [ "$drained" = no ] && in_list "$1" "$runtimes"; then reason='pods and containers depend on it; restarted while the node is drained by ospatch'
  elif [ "$restart_mode" = auto ] && in_list "$1" "$named_only" && ! in_list "$1" "$restart_wanted"; then
    reason='a restart may cost data or quorum; name it in patching.restartServices.services'
  elif [ "$refused" = unknown ]; then reason='the configuration of needrestart cannot be read or is not safe to run'
  else
    case "
$refused
" in *"
$1
"*) reason="needrestart's configuration leaves it alone" ;; esac
  fi
  [ -z "$reason" ] && has_systemd && [ "$1" != systemd-manager ] && why_not_unit "$1"
}

why_not_unit() {
  unit_values "$1"
  # shellcheck disable=SC2046
  unit_blocker "$1" $(members_of "$1" <"$dir/outdated")
  case $blocker in
    refuses) reason='its unit refuses to be stopped or started by hand' ;;
    masked*) reason='its unit is masked: systemd would not start it again' ;;
    gone) reason='its unit file is gone: systemd could not start it again' ;;
    unreadable) reason="systemd cannot read its unit ($u_load)" ;;
    transient) reason='a transient unit, which may be a task that somebody waits for' ;;
    task) reason='a task in progress, which ends by itself' ;;
    logins) reason='a restart would end the logins through it (KillMode)' ;;
    left) reason='a restart does not end the processes that are left of it' ;;
    *)
      if [ "$u_type" = oneshot ]; then reason='a task of type oneshot, which a restart would do once more'
      elif [ "$u_active" != active ] && [ "$u_active" != reloading ]; then reason="it is ${u_active:-in an unknown state}"
      fi
      ;;
  esac
}

# Sets override to the program that restarts this service instead of systemd, if there is one.
use_override() {
  override=''
  for folder in /etc/ospatch/restart.d /etc/needrestart/restart.d; do
    for program in "$folder/$1" "$folder/${1%.service}"; do
      [ -f "$program" ] && [ -x "$program" ] || continue
      [ ! -L "$program" ] && only_roots "$program" "$folder" "${folder%/*}" || { reason="$program is not safe to run (owner, mode or a link)"; return 1; }
      override=$program
      return 0
    done
  done
}

restart_one() {
  if [ -n "$override" ]; then
    echo "ospatch: restarting $1 by $override"
    timeout -k 10 300 "$override" 9>&-
  elif [ "$1" = systemd-manager ]; then
    echo 'ospatch: systemctl daemon-reexec'
    timeout -k 10 60 systemctl daemon-reexec
  elif has_systemd; then
    echo "ospatch: systemctl restart $1"
    timeout -k 10 300 systemctl restart -- "$1" >"$dir/said" 2>&1
    code=$?
    cat "$dir/said"
    return "$code"
  else
    echo "ospatch: rc-service $1 restart"
    timeout -k 10 300 rc-service "$1" restart
  fi 2>&1
}

# Succeeds when a failed restart has not stopped the service: it runs as before.
goes_on() {
  has_systemd && [ -z "$override" ] && [ "$1" != systemd-manager ] && [ -s "$dir/said" ] || return 1
  unit_values "$1"
  [ "$u_active" = active ] && [ "$u_entered" -gt 0 ] && [ "$u_entered" -le "$started_at" ]
}

last_words() { grep -v '^[[:space:]]*$' "$dir/said" | tail -n 1 | cut -c1-150; }

# Succeeds when a service is active; sets reason otherwise.
is_up() {
  if ! has_systemd; then
    timeout 20 rc-service "$1" status >/dev/null 2>&1 && return 0
    reason='it is not running'
    return 1
  fi
  unit_values "$1"
  case $u_active in
    active | reloading)
      [ "${u_restarts:-0}" = 0 ] && return 0
      reason="it ended and was started again ${u_restarts} times"
      ;;
    *) reason="it is ${u_active:-in an unknown state}${u_sub:+ ($u_sub)}" ;;
  esac
  return 1
}

# say_failed NAME REASON: with the output of the service, in the log and in the result.
say_failed() {
  echo "failed $1 $2" >>"$dir/result"
  echo "ospatch: $1 failed: $2"
  has_systemd || return 0
  timeout 20 journalctl --no-pager -q -n 20 -o cat -u "$1" --since "@$begun" 2>/dev/null | cut -c1-300 >"$dir/journal"
  cat "$dir/journal"
  # The output of the service instead of systemd's messages about it.
  timeout 20 journalctl --no-pager -q -n 8 -o cat --since "@$begun" "_SYSTEMD_UNIT=$1" 2>/dev/null | cut -c1-300 >"$dir/own-journal"
  [ ! -s "$dir/own-journal" ] || mv "$dir/own-journal" "$dir/journal"
  grep -v '^[[:space:]]*$' "$dir/journal" | tail -n 8 | sed 's/^/journal /' >>"$dir/result"
}

skip_service() {
  echo "skipped $1 $2" >>"$dir/result"
  echo "ospatch: $1 is not restarted: $2"
}

# The phase `restart`: restarts every service on outdated code that may be restarted, one by one, then verifies that
# all are active. The facts afterwards show whether they run the new code.
restart_phase() {
  begun=$(date +%s)
  : >"$dir/result"
  outdated >"$dir/outdated"
  names=$(sed -n 's/^service //p' "$dir/outdated")
  [ -n "$names" ] || { echo 'ospatch: no service runs replaced code'; return 0; }
  # shellcheck disable=SC2086
  refused=$(needrestart_refuses $names) || refused=unknown
  read -r uptime _ </proc/uptime
  started_at=${uptime%.*}000000
  restarted=''
  ! has_systemd || timeout 60 systemctl daemon-reload
  for name in $names; do
    valid_unit_glob "$name" || { skip_service "$name" 'its name has characters that are not handed to a shell'; continue; }
    if [ "$name" = systemd-manager ] && [ "$restart_mode" = listed ] && ! in_list "$name" "$restart_wanted"; then
      skip_service "$name" 'not listed in patching.restartServices'
      continue
    fi
    why_not "$name"
    [ -z "$reason" ] || { skip_service "$name" "$reason"; continue; }
    use_override "$name" || { skip_service "$name" "$reason"; continue; }
    if has_systemd && [ "$name" != systemd-manager ] && [ "$u_entered" -gt "$started_at" ]; then
      echo "ospatch: $name was restarted along with another one"
    else
      restart_one "$name"
      rc=$?
      case $rc in
        0) ;;
        *) if goes_on "$name"; then skip_service "$name" "systemd would not restart it: $(last_words)"; continue; fi ;;
      esac
      case $rc in
        0) ;;
        124 | 137) say_failed "$name" 'its restart did not end within 300 s' && continue ;;
        *) say_failed "$name" "its restart exited with code $rc" && continue ;;
      esac
    fi
    [ "$name" = systemd-manager ] || restarted="$restarted $name"
    echo "restarted $name" >>"$dir/result"
  done
  # Long enough to notice a service that starts and ends again.
  [ -z "$restarted" ] || sleep 3
  for name in $restarted; do
    tries=0
    until is_up "$name" || [ "$tries" -ge 60 ]; do
      case $reason in 'it is activating'*) sleep 0.5 ;; *) break ;; esac
      tries=$((tries + 1))
    done
    is_up "$name" || say_failed "$name" "$reason"
  done
  if grep -q '^restarted systemd-manager$' "$dir/result" && grep -qs '(deleted)$' /proc/1/maps; then
    outdated | grep -qx 'service systemd-manager' && echo "$boot" >"$run_dir/reexec-in-vain"
  fi
  collect_garbage
  return 0
}
