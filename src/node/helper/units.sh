# ------------------------------------------------------------------------------------------------- units that have failed

# `failed_unit=` and `restarting_unit=` of each (a unit waiting for a restart has not failed yet), and the data that
# shows whether the last transaction caused it: `unit_detail=NAME RESULT CHANGED TRANSIENT TRIGGER...`.
failed_unit_facts() {
  bad=$(ask 'systemctl list-units' 10 systemctl list-units --state=failed,auto-restart --plain --no-legend --no-pager 2>/dev/null |
    while read -r name _ active sub _; do
      # The end of a job is reported elsewhere.
      case $name in ospatch-*) continue ;; esac
      case $active:$sub in failed:*) echo "failed $name" ;; *:auto-restart*) echo "restarting $name" ;; esac
    done)
  [ -n "$bad" ] || return 0
  echo "$bad" | sed 's/ /_unit=/' | head -n 100
  # shellcheck disable=SC2046
  shown=$(ask 'systemctl show' 5 systemctl show -p Id,TriggeredBy,FragmentPath,DropInPaths,ExecStart,Result \
    $(echo "$bad" | cut -d' ' -f2 | grep -E '^[A-Za-z0-9@_.:-]+$' | head -n 20) 2>/dev/null </dev/null)
  since=$(last_apply)
  unit_name='' trigger='' places='' result='' transient=no
  while IFS= read -r line; do
    value=${line#*=}
    case $line in
      Id=*) unit_name=$value ;;
      TriggeredBy=*) trigger=$value ;;
      Result=*) result=$value ;;
      FragmentPath=*) places="$places $value" && case $value in /run/systemd/transient/*) transient=yes ;; esac ;;
      DropInPaths=*) places="$places $value" ;;
      ExecStart=*) places="$places $(exec_places "$value")" ;;
      '') unit_detail ;;
    esac
  done <<SHOWN
$shown

SHOWN
}

unit_detail() {
  [ -n "$unit_name" ] || return 0
  changed=no
  ! written_since "$since" || changed=yes
  echo "unit_detail=$unit_name ${result:-unknown} $changed $transient $trigger"
  unit_name='' trigger='' places='' result='' transient=no
}

# Its program, and the files among its arguments: scripts of an interpreter.
exec_places() {
  set -f
  for word in $1; do
    word=${word#path=}
    word=${word#argv\[\]=}
    case $word in /*) [ ! -f "$word" ] || echo "$word" ;; esac
  done | sort -u | head -n 10
  set +f
}

# Start of the last transaction, in seconds; nothing when there was none.
last_apply() {
  newest=$(jobs_by_age '*-apply-*' | tail -n 1)
  [ -z "$newest" ] || stat -c %Y "$state_dir/runs/${newest##* }/started" 2>/dev/null
}

# Succeeds when a file of the unit, or a library of its program that is not libc's, was written after $1.
written_since() {
  case $1 in '' | *[!0-9]*) return 1 ;; esac
  set -f
  # shellcheck disable=SC2086
  set -- "$1" $places
  set +f
  from=$1
  shift
  [ $# -gt 0 ] || return 1
  for file in "$@"; do
    case $file in
      *.service | *.conf) ;;
      # Only what root has written is loaded.
      *) [ -O "$file" ] && timeout 2 ldd "$file" 2>/dev/null | sed -n 's|.* => \(/[^ ]*\) .*|\1|p' | grep -vE '/(libc|libm|libdl|librt|libpthread|libresolv)[.-]' ;;
    esac
  done | head -n 200 | {
    while read -r file; do set -- "$@" "$file"; done
    # shellcheck disable=SC2086
    stat -L -c %Z "$@" 2>/dev/null
  } | awk -v from="$from" '$1 >= from { found = 1 } END { exit !found }'
}
