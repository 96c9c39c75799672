#!/bin/bash
# Runs every fault, including the long ones, and ends with a table and one line: "N passed, N failed, N skipped".
# OSPATCH_FAULT_SEED repeats the random moments of an earlier run. Arguments go to jest, for example -t 'SIGTERM'.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
results=.test-results
mkdir -p "$results"
trap 'exit 130' INT
rm -rf "$results"/faults "$results"/faults.json*

[ "$(id -u)" = 0 ] || { echo "error: real nodes need root" >&2; exit 1; }
scripts/setup.sh deps build temporal lab || exit 1
projects=(faults)
skipped=()
if command -v go >/dev/null; then
  scripts/setup.sh kubernetes || exit 1
  projects+=(kubernetes-faults)
else
  echo "the faults of Kubernetes nodes are skipped: they need Go, which builds the control plane"
  skipped=(--skipped)
fi

export OSPATCH_FAULTS=all OSPATCH_FAULT_SEED="${OSPATCH_FAULT_SEED:-$RANDOM}"
echo "seed $OSPATCH_FAULT_SEED"
# Faults spend most of the time waiting, so two files and the faults in them run side by side.
RESULTS_FILE="$results/faults.json" npx --no-install jest --forceExit --ci --selectProjects "${projects[@]}" --maxWorkers 2 --maxConcurrency "${OSPATCH_FAULT_WORKERS:-5}" \
  --reporters default --reporters ./scripts/results-reporter.js "$@" </dev/null
exec node scripts/fault-summary.js "$results" --sum "${skipped[@]}"
