#!/bin/bash
# Runs all static checks. With a file name, writes one line per check to the file:
# "passed NAME" or "failed NAME".
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1
results=${1:-/dev/null}
: >"$results"
failed=0

check() {
  local name=$1
  shift
  if "$@"; then
    echo "passed $name" >>"$results"
  else
    echo "failed $name" >>"$results"
    echo "lint: $name failed" >&2
    failed=1
  fi
}

check formatting npx --no-install prettier --log-level warn --check .
check rules npx --no-install oxlint --quiet --type-aware --tsconfig tsconfig.json --deny-warnings
check lock node scripts/check-lock.js
check schemas node scripts/generate-output-schemas.js --check
check types npx --no-install tsc -p tsconfig.test.json --noEmit
# The node helper is checked as one concatenated file (test/node/helper-script.test.ts).
mapfile -t shell_scripts < <(find .ci/run scripts tools -name '*.sh' -o -path .ci/run)
check shell shellcheck "${shell_scripts[@]}"
[ "$failed" = 0 ] && echo "lint: everything is in order"
exit "$failed"
