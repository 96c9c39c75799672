#!/bin/bash
# Runs the whole product on every available real system, and ends with a table and one line: "N passed, N failed,
# N skipped". Arguments go to jest, for example -t 'Debian 13', or --testPathPatterns kernel.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
results=.test-results
mkdir -p "$results"
trap 'exit 130' INT
rm -f "$results"/systems.json*

[ "$(id -u)" = 0 ] || { echo "error: real nodes need root" >&2; exit 1; }
scripts/setup.sh deps build temporal lab || exit 1

# Most of the time is spent waiting for nodes, and even more for the emulated machine.
RESULTS_FILE="$results/systems.json" npx --no-install jest --forceExit --ci --selectProjects systems --maxWorkers 3 --reporters default --reporters ./scripts/results-reporter.js "$@" </dev/null
exec node scripts/systems-summary.js "$results"
