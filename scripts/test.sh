#!/bin/bash
# Runs every check and every test suite, goes on after a failure, and ends with one line:
# "N passed, N failed, N skipped". Suites that need a tool this machine cannot have count as one skipped test each.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
results=.test-results
rm -rf "$results"
mkdir -p "$results"
start=$SECONDS
trap 'exit 130' INT

say() {
  echo "[$((SECONDS - start)) s] $*"
}

# Far above what it takes: a suite that hangs is a failure to be told, not a reason to wait for ever.
suite_limit_s=4500

# suite NAME PROJECT... [-- ARGUMENT...]: runs projects of jest; the arguments go to jest.
suite() {
  local name=$1 projects=()
  shift
  while [ $# -gt 0 ] && [ "$1" != -- ]; do
    projects+=("$1")
    shift
  done
  say "suite $name: ${projects[*]}"
  TIMEFORMAT="suite $name took %R s, %U + %S s of processor time"
  # In the foreground, so that Ctrl-C reaches jest too. GOGC: a control plane takes a fifth less processor time with it.
  time GOGC=400 RESULTS_FILE="$results/$name.json" timeout --foreground --kill-after=30 "$suite_limit_s" node_modules/.bin/jest --forceExit --ci --selectProjects "${projects[@]}" --passWithNoTests --reporters default --reporters ./scripts/results-reporter.js "${@:2}" </dev/null
  local code=$?
  local how=
  # Nobody would count what did not run.
  [ -e "$results/$name.json" ] || how="jest ended with exit code $code"
  [ "$code" != 124 ] || how="it was not through after $suite_limit_s s"
  [ -z "$how" ] || echo "failed suite $name (${projects[*]}): $how" >>"$results/checks.txt"
}

skip() {
  say "suite $1 is skipped: $2"
  echo "skipped $1: $2" >>"$results/skipped.txt"
}

# What a part of the set-up has said last, or first as its error.
reason() {
  grep -m 1 '^error: ' "$1" | sed 's/^error: //' || grep . "$1" | tail -n 1 || echo "it said nothing"
}

scripts/setup.sh deps build linters terminal alertmanager 2>&1 | tee "$results/setup.txt" || {
  echo "failed setup: $(reason "$results/setup.txt")" >>"$results/checks.txt"
  # Without Node.js there is nobody else to count.
  command -v node >/dev/null && exec node scripts/summary.js "$results"
  sed 's/^failed /failed: /' "$results/checks.txt"
  echo "0 passed, 1 failed, 0 skipped" | tee "$results/summary.txt"
  exit 1
}

# Without root, the tests that need them are skipped, and say so.
for part in shells manuals; do scripts/setup.sh "$part" || :; done

# Real nodes are containers: without root there are none.
root=$([ "$(id -u)" = 0 ] && echo yes)

# Downloads and the suites that follow wait most of the time, so most of the compiling costs nothing. In groups of their
# own, so that Ctrl-C takes them along.
say "building the node lab, the Temporal servers and the Kubernetes control plane in the background, if they are not there"
set -m
lab_build=
if [ -n "$root" ]; then
  nice -n 10 scripts/setup.sh lab >"$results/lab-build.txt" 2>&1 </dev/null &
  lab_build=$!
fi
(
  # Without Python or Go one test each is skipped, and says so.
  nice -n 19 scripts/setup.sh python >"$results/python-build.txt" 2>&1
  nice -n 19 scripts/setup.sh temporal test-server || exit
  # After the server: building that compiles the same modules.
  nice -n 19 scripts/setup.sh go-client >"$results/go-client-build.txt" 2>&1 || :
  # Tried again, and told, by the suite that needs it.
  nice -n 19 scripts/setup.sh monitoring >"$results/monitoring-build.txt" 2>&1 || :
  # Without Go, one test is skipped, and says so.
  nice -n 19 scripts/setup.sh collector >"$results/collector-build.txt" 2>&1 || exit 0
) >"$results/temporal-build.txt" 2>&1 </dev/null &
temporal_build=$!
(
  # One after the other: what is needed first is there first.
  while kill -0 "$temporal_build" 2>/dev/null; do sleep 1; done
  exec nice -n 19 scripts/setup.sh kubernetes
) >"$results/kubernetes-build.txt" 2>&1 </dev/null &
kubernetes_build=$!
say "lint and types beside the quick tests"
scripts/lint.sh "$results/lint.txt" >"$results/lint-output.txt" 2>&1 </dev/null &
lint=$!
set +m
trap 'kill -- "-$lint" ${lab_build:+"-$lab_build"} "-$temporal_build" "-$kubernetes_build" 2>/dev/null' EXIT

# Waits for a build of the background; what it has said is of interest only when it failed.
built() {
  say "waiting for $2"
  wait "$1" && return
  cat "$results/$3"
  echo "failed build of $2: $(reason "$results/$3")" >>"$results/checks.txt"
  return 1
}

# The simulated servers are waited for.
suite quick unit simulated -- --maxWorkers 4
wait "$lint"
cat "$results/lint-output.txt"

# The other suites wait most of the time, each for something else: side by side they keep the processors busy, with more
# files than there are processors. A part that is not there yet is built meanwhile, and what needs it comes after.
export OSPATCH_FAULT_SEED="${OSPATCH_FAULT_SEED:-$RANDOM}"
projects=()
stage=0
side_by_side() {
  [ ${#projects[@]} -gt 0 ] || return 0
  stage=$((stage + 1))
  suite "side-by-side-$stage" "${projects[@]}" -- --maxWorkers 4 --maxConcurrency 4
  projects=()
}

# Does not let the projects so far wait for a build that takes its time.
unless_there() {
  if kill -0 "$1" 2>/dev/null; then side_by_side; fi
}

if [ -n "$root" ]; then
  built "$lab_build" "the node lab" lab-build.txt
  projects+=(node)
else
  skip node "needs root"
fi

unless_there "$temporal_build"
built "$temporal_build" "the Temporal servers" temporal-build.txt
projects+=(workflows replay upgrade)
if command -v apt-get >/dev/null; then
  projects+=(monitoring)
else
  skip monitoring "needs apt-get, which gets Prometheus"
fi
if [ -n "$root" ]; then
  projects+=(faults e2e)
else
  skip faults "needs root"
  skip e2e "needs root"
fi

# Last, because the control plane takes longest to build.
if ! command -v go >/dev/null; then
  skip kubernetes "needs Go, which builds the control plane"
else
  unless_there "$kubernetes_build"
  built "$kubernetes_build" "the Kubernetes control plane" kubernetes-build.txt
  projects+=(kubernetes)
  if [ -n "$root" ]; then projects+=(kubernetes-nodes); else skip kubernetes-nodes "needs root"; fi
fi
side_by_side

[ -z "$root" ] || node scripts/fault-summary.js "$results"
say "all suites are through"
exec node scripts/summary.js "$results"
