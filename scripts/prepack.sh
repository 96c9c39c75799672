#!/bin/bash
# What `npm pack` and `npm publish` need, from a clean clone too: lib/ built anew, so that nothing old is published, and
# npm-shrinkwrap.json, which `postpack` removes.
set -euo pipefail
cd "$(dirname "$0")/.."
# Standard output is for what npm prints, the name of the file.
exec >&2
scripts/setup.sh deps
rm -rf lib ./*.tsbuildinfo
npm run --silent build
node scripts/make-shrinkwrap.js
