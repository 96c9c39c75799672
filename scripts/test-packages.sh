#!/bin/bash
# Makes two releases of what is in the working tree, compares them, installs and uses what they consist of as users do, and
# ends with one line: "N passed, N failed, N skipped".
# Arguments go to jest, for example --testPathPatterns deb.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
results=.test-results/packages
rm -rf "$results"
mkdir -p "$results"
trap 'exit 130' INT

[ "$(id -u)" = 0 ] || { echo "error: packages are installed on real nodes, which needs root" >&2; exit 1; }
scripts/setup.sh deps build packages temporal kubernetes lab helm image || exit 1

releases=$(mktemp -d)
trap 'rm -rf "$releases"' EXIT
node tools/run.js releases "$releases/made" || exit 1
export OSPATCH_RELEASES=$releases/made

RESULTS_FILE="$results/packages.json" npx --no-install jest --forceExit --ci --selectProjects packages --maxWorkers 2 --reporters default --reporters ./scripts/results-reporter.js "$@" </dev/null
node scripts/summary.js "$results"
