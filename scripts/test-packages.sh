#!/bin/bash
# Builds the packages, installs and uses them as users do, and ends with one line: "N passed, N failed, N skipped".
# Arguments go to jest, for example --testPathPatterns deb.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
results=.test-results/packages
rm -rf "$results"
mkdir -p "$results"
trap 'exit 130' INT

[ "$(id -u)" = 0 ] || { echo "error: packages are installed on real nodes, which needs root" >&2; exit 1; }
scripts/setup.sh deps build packages temporal kubernetes lab helm image || exit 1

RESULTS_FILE="$results/packages.json" npx --no-install jest --forceExit --ci --selectProjects packages --maxWorkers 2 --reporters default --reporters ./scripts/results-reporter.js "$@" </dev/null
exec node scripts/summary.js "$results"
