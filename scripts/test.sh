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

# Far above what any suite takes: a suite that hangs is a failure to be told, not a reason to wait for ever.
suite_limit_s=1800

suite() {
  local name=$1
  say "suite $name"
  TIMEFORMAT="suite $name took %R s, %U + %S s of processor time"
  # In the foreground, so that Ctrl-C reaches jest too. GOGC: a control plane takes a fifth less processor time with it.
  time GOGC=400 RESULTS_FILE="$results/$name.json" timeout --foreground --kill-after=30 "$suite_limit_s" node_modules/.bin/jest --forceExit --ci --selectProjects "$name" --passWithNoTests --reporters default --reporters ./scripts/results-reporter.js "${@:2}" </dev/null
  # Written last: without it nobody would count what did not run.
  [ -e "$results/$name.json" ] || echo "failed suite $name: it did not come to an end" >>"$results/checks.txt"
}

skip() {
  say "suite $1 is skipped: $2"
  echo "skipped $1: $2" >>"$results/skipped.txt"
}

scripts/setup.sh deps build linters || {
  echo "failed setup" >>"$results/checks.txt"
  exec node scripts/summary.js "$results"
}

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
nice -n 19 scripts/setup.sh temporal test-server >"$results/temporal-build.txt" 2>&1 </dev/null &
temporal_build=$!
(
  # One after the other: what is needed first is there first.
  while kill -0 "$temporal_build" 2>/dev/null; do sleep 1; done
  exec nice -n 19 scripts/setup.sh kubernetes
) >"$results/kubernetes-build.txt" 2>&1 </dev/null &
kubernetes_build=$!
set +m
trap 'kill -- ${lab_build:+"-$lab_build"} "-$temporal_build" "-$kubernetes_build" 2>/dev/null' EXIT

# Waits for a build of the background; what it has said is of interest only when it failed.
built() {
  say "waiting for $2"
  wait "$1" && return
  cat "$results/$3"
  echo "failed to build $2" >>"$results/checks.txt"
  return 1
}

say "lint and types"
scripts/lint.sh "$results/lint.txt"
suite unit
suite simulated --maxWorkers 4

if [ -n "$root" ]; then
  built "$lab_build" "the node lab" lab-build.txt
  # Nodes are waited for most of the time, so more files run side by side than there are processors.
  suite node --maxWorkers 3
else
  skip node "needs root"
fi

built "$temporal_build" "the Temporal servers" temporal-build.txt
# No more than two: some start a Java server, which the SDK gives 5 s.
suite workflows --selectProjects replay upgrade --maxWorkers 2
export OSPATCH_FAULT_SEED="${OSPATCH_FAULT_SEED:-$RANDOM}"
if [ -n "$root" ]; then
  # Faults wait even more, so files and the faults in them run side by side.
  suite faults --maxWorkers 3 --maxConcurrency 4
  suite e2e --maxWorkers 3
else
  skip faults "needs root"
  skip e2e "needs root"
fi

# Last, because the control plane takes longest to build.
if ! command -v go >/dev/null; then
  skip kubernetes "needs Go, which builds the control plane"
else
  built "$kubernetes_build" "the Kubernetes control plane" kubernetes-build.txt
  with_nodes=()
  if [ -n "$root" ]; then with_nodes=(--selectProjects kubernetes-nodes); else skip kubernetes-nodes "needs root"; fi
  suite kubernetes "${with_nodes[@]}" --maxWorkers 3 --maxConcurrency 3
fi

[ -z "$root" ] || node scripts/fault-summary.js "$results"
say "all suites are through"
exec node scripts/summary.js "$results"
