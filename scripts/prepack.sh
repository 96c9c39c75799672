#!/bin/bash
# Prepares `npm pack` and `npm publish`, also in a clean clone: builds lib/ from scratch, so that nothing stale is
# published, and writes npm-shrinkwrap.json, which `postpack` removes.
set -euo pipefail
cd "$(dirname "$0")/.."
# Standard output is reserved for npm, which prints the name of the file.
exec >&2
scripts/setup.sh deps
rm -rf lib ./*.tsbuildinfo
npm run --silent build
node scripts/make-shrinkwrap.js
