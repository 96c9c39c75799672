# -------------------------------------------------------------------------------------------- what still runs old code
#
# A process runs old code when an executable or a library it has mapped was replaced or removed on disk: the kernel then
# shows it as `(deleted)` in /proc/PID/maps. That is what needrestart, `dnf needs-restarting` and `zypper ps` read too;
# read here directly it costs milliseconds, on every family. What it cannot show are scripts and modules that an
# interpreter has read and closed. Of a service, its script is compared with when the service was started; modules are
# known to needrestart only, which is asked where it is installed and a service runs on an interpreter.

# Configuration, state and scratch files are no code; neither is what lies elsewhere than where packages put programs.
code_places='/(usr|opt|lib[0-9a-z]*|bin|sbin)/'
interpreters='(python|perl|ruby|java|node|php|bash|dash)[0-9.]*'

# Executable mappings that were replaced, and those of interpreters, as `/proc/PID/maps:...`.
replaced_mappings() {
  grep -sE "( ..x. [^ ]+ [^ ]+ [0-9]+ +$code_places.* [(]deleted[)]|[.]jar [(]deleted[)]| ..x. .* $code_places.*/$interpreters)\$" \
    /proc/[0-9]*/maps
}

# Of OpenRC: `service exec pidfile` of every daemon it looks after.
openrc_daemons() {
  for place in /run/openrc/daemons/*/*; do
    [ -f "$place" ] || continue
    service=${place%/*}
    sed -n "s|^\(exec\)=|${service##*/} exec |p; s|^\(pidfile\)=|${service##*/} pidfile |p" "$place"
  done 2>/dev/null
}

# Reads replaced_mappings and says, once each:
#   service NAME      a unit (or a service of OpenRC) with a process on replaced code
#   session TEXT      somebody's login; the one that this call came by is not counted: it ends with the call
#   container NAME    a container on the file system of the node, or what keeps one running (shim, conmon)
#   process TEXT      anything else
#   script PID START NAME   a service on an interpreter that maps nothing replaced, and when it was started
classify_processes() {
  awk -v self="$$" -v login="${SUDO_USER:-root}" -v systemd="$(has_systemd && echo yes)" -v own_unit="$unit" '
    function first_line(file,  line) { line = ""; if ((getline line <file) < 0) line = ""; close(file); return line }
    function clean(text) { gsub(/[^ -~]/, "?", text); return substr(text, 1, 80) }
    # Sets p_comm, p_parent and p_start (ticks since the boot). The name may hold anything, a line feed too.
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
      # Inside a container the paths may begin with those of the machine outside.
      if (outside != "" && index(named, outside "/") == 1) named = substr(named, length(outside) + 1)
      return named
    }
    # The file system that a process has as its root.
    function root_of(pid,  file, line, field, root) {
      file = "/proc/" pid "/mountinfo"; root = ""
      while ((getline line <file) > 0) { split(line, field, " "); if (field[5] == "/") root = field[3] " " field[4] }
      close(file)
      return root
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
    # A login of sshd, which has no unit of its own where pam_systemd is missing: the process of sshd it hangs on.
    function login_of(pid,  depth, up) {
      for (depth = 0; pid > 1 && depth < 64; depth++) {
        up = parent_of(pid)
        if (up > 1 && first_line("/proc/" pid "/comm") ~ /^(sshd|sshd-session|dropbear)$/) return pid
        pid = up
      }
      return 0
    }
    # Other connections of the user that we log in as hold the login of a program, like ours, and end as ours does.
    function say_login(pid,  title) {
      title = first_line("/proc/" pid "/cmdline")
      if (title ~ /^sshd[^:]*: /) { sub(/^sshd[^:]*: /, "", title); sub(/[@ ].*/, "", title) } else title = ""
      if (title == login && first_line("/proc/" pid "/cmdline") !~ /@(pts|tty)/) return
      say("session", title == "" ? "a login by ssh" : clean(title) " (by ssh)")
    }
    function say(kind, name) { if (!((kind, name) in said) && ++count[kind] <= 100) print kind " " name; said[kind, name] = 1 }
    # Says what pid is a part of. Only the name of a service comes back; "" is said for anything else.
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
      if (is_own(pid)) return
      if (path ~ /\/(docker|lxc|lxc\.payload[^\/]*|kubepods[^\/]*|machine\.slice|libpod[^\/]*)\// || path ~ /(docker|libpod|cri-containerd|crio|nerdctl)-[0-9a-f]+/) {
        # A root file system of its own has packages of its own, which are not those of the node.
        if (root_of(pid) != root_of("self")) return
        rest = path; sub(/.*\//, "", rest); sub(/\.scope$/, "", rest)
        say("container", clean(substr(rest, 1, 40) " (" name ")"))
        return
      }
      if (name ~ /^(containerd-shim|docker-containe|conmon|crio-conmon)/) { say("container", clean(name)); return }
      if (match(path, /\/user-[0-9]+\.slice\/session-[^\/]+\.scope/)) {
        rest = substr(path, RSTART, RLENGTH); uid = rest; sub(/^\/user-/, "", uid); sub(/\.slice.*/, "", uid)
        sub(/.*\/session-/, "", rest); sub(/\.scope$/, "", rest)
        if (index(own_path, "/user-" uid ".slice/") && (index(own_path, "/session-" rest ".scope") || name ~ /^sshd/)) return
        say("session", user_of(uid) " (session " clean(rest) ")")
        return
      }
      if (match(path, /\/user@[0-9]+\.service(\/|$)/)) {
        rest = substr(path, RSTART + RLENGTH); uid = substr(path, RSTART + 6); sub(/\.service.*/, "", uid)
        sub(/.*\//, "", rest)
        # The manager of the user that we log in as comes and goes with our own logins.
        if (rest ~ /^init\.scope$/) { if (!index(own_path, "/user-" uid ".slice/")) say("session", user_of(uid) " (user manager)"); return }
        say("session", user_of(uid) " (" clean(rest) ")")
        return
      }
      rest = service_of(pid, path)
      if (rest == own_unit || rest ~ /^ospatch-(job|reboot)\./) return
      if (rest ~ /^(sshd?|dropbear)(@.*)?(\.service)?$/ && (rest ~ /@/ || login_of(pid))) { say_login(login_of(pid) ? login_of(pid) : pid); return }
      if (rest != "") { say("service", clean(rest)); return }
      if (login_of(pid)) { say_login(login_of(pid)); return }
      say("process", clean(name))
    }
    BEGIN {
      outside = cgroup_of(1); sub(/\/init\.scope$/, "", outside); if (outside == "/") outside = ""
      own_path = cgroup_of("self")
      # Our own login: everything between this process and what is started by init itself.
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

# The script that an interpreter was started with, when it lies where packages put programs.
script_of() {
  tr '\0\n' '\n ' 2>/dev/null <"/proc/$1/cmdline" | sed -n '2,12{
    /^\/usr\/./{p;q;}
    /^\/opt\/./{p;q;}
    /^\/s*bin\/./{p;q;}
  }'
}

# Reads what classify_processes says and decides about the scripts: one that was replaced after its service was started,
# give or take the precision of these clocks. `asked` is what needrestart is to be asked about.
decide_scripts() {
  asked=''
  while read -r kind first second name; do
    [ "$kind" = script ] || { echo "$kind $first${second:+ $second}${name:+ $name}"; continue; }
    asked="$asked $name"
    path=$(script_of "$first")
    changed=$([ -z "$path" ] || stat -L -c %Z "$path" 2>/dev/null)
    [ "${changed:-0}" -le $((second + 2)) ] || echo "service $name"
  done
  # shellcheck disable=SC2086
  [ -z "$asked" ] || needrestart_says $asked
}

# needrestart_says NAME...: which of these services it names. Its other lines add nothing to what the kernel says, and a
# login of ours is a service to it where pam_systemd is missing. Nothing becomes old while no package is installed, so a
# clean answer holds until then.
needrestart_says() {
  [ -x /usr/sbin/needrestart ] || return 0
  key="$boot $(stat -c '%i.%Y.%s' /var/lib/dpkg/status /var/lib/rpm/* /usr/lib/sysimage/rpm/* 2>/dev/null | tr '\n' ' ')"
  [ "$(cat "$run_dir/needrestart-clean" 2>/dev/null)" != "$key $*" ] || return 0
  answer=$(NEEDRESTART_SUSPEND='' timeout 10 needrestart -b -l -r l 2>/dev/null </dev/null) || { echo 'unknown needrestart'; return; }
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
    has_systemd || openrc_daemons | sed 's/^/rc /'
    replaced_mappings
  } | classify_processes | decide_scripts | sort -u
}

# What replaces the code of these is a reboot.
needs_reboot() {
  case $1 in
    init | elogind | dbus | dbus.service | dbus-broker.service | messagebus.service | systemd-logind.service) ;;
    systemd-manager) [ "$(cat "$run_dir/reexec-in-vain" 2>/dev/null)" = "$boot" ] || return 1 ;;
    *) return 1 ;;
  esac
}

service_facts() {
  outdated | while read -r kind name; do
    case $kind in
      unknown) echo "outdated_unknown=$name" ;;
      *)
        echo "outdated_$kind=$name"
        ! { [ "$kind" = service ] && needs_reboot "$name"; } ||
          echo "reboot_reason=$name runs code that was replaced, and only a reboot starts it anew"
        ;;
    esac
  done
}
