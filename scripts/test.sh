#!/bin/bash
# Runs every check and every test suite, goes on after a failure, and ends with one line:
# "N passed, N failed, N skipped". Suites that need a tool this machine cannot have count as one skipped test each.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
results=.test-results
rm -rf "$results"
mkdir -p "$results"
start=$SECONDS

say() {
  echo "[$((SECONDS - start)) s] $*"
}

# Far above what any suite takes: a suite that hangs is a failure to be told, not a reason to wait for ever.
suite_limit_s=1200

suite() {
  local name=$1
  say "suite $name"
  timeout --kill-after=30 "$suite_limit_s" npx --no-install jest --forceExit --ci --selectProjects "$name" --passWithNoTests --json --outputFile "$results/$name.json" "${@:2}" </dev/null
}

skip() {
  say "suite $1 is skipped: $2"
  echo "skipped $1: $2" >>"$results/skipped.txt"
}

scripts/setup.sh deps build linters || {
  echo "failed setup" >>"$results/checks.txt"
  exec node scripts/summary.js "$results"
}

say "lint and types"
scripts/lint.sh "$results/lint.txt"
suite unit

# The suites that follow wait most of the time, so most of the compiling costs nothing. In a group of its own, so that
# Ctrl-C takes it along.
say "building the Kubernetes control plane in the background, if it is not there"
set -m
nice -n 19 scripts/setup.sh kubernetes >"$results/kubernetes-build.txt" 2>&1 </dev/null &
kubernetes_build=$!
set +m
trap 'kill -- "-$kubernetes_build" 2>/dev/null' EXIT

say "preparing what the other suites need"
scripts/setup.sh temporal test-server
# One at a time: each starts a Java server, which the SDK gives 5 s.
suite workflows --runInBand
suite replay

# Real nodes are containers: without root there are none.
if [ "$(id -u)" = 0 ]; then
  scripts/setup.sh lab
  suite node --runInBand
  suite e2e --runInBand
  # Faults wait most of the time, so files and the faults in them run side by side.
  export OSPATCH_FAULT_SEED="${OSPATCH_FAULT_SEED:-$RANDOM}"
  suite faults --maxWorkers 3 --maxConcurrency 4
  node scripts/fault-summary.js "$results"
else
  skip node "needs root"
  skip e2e "needs root"
  skip faults "needs root"
fi

say "waiting for the Kubernetes control plane"
if wait "$kubernetes_build"; then
  suite kubernetes --maxWorkers 2
elif command -v go >/dev/null; then
  cat "$results/kubernetes-build.txt"
  echo "failed to build the Kubernetes control plane" >>"$results/checks.txt"
else
  skip kubernetes "needs Go, which builds the control plane"
fi

say "all suites are through"
exec node scripts/summary.js "$results"
