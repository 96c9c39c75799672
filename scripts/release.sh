#!/bin/bash
# Makes what a release consists of, from the commit that is checked out:
#   ospatch-X.Y.Z.tgz             the package, as it is published
#   ospatch-X.Y.Z.cdx.json        its software bill of materials (CycloneDX)
#   ospatch-X.Y.Z.intoto.json     its provenance (in-toto statement, SLSA provenance v1)
#   SHA256SUMS                    digests of these three
#   SHA256SUMS.sig                with --sign KEY: a signature of `ssh-keygen -Y sign`
# The same commit, Node.js and npm make the same bytes.
# Usage: scripts/release.sh [--sign KEY] DIRECTORY
set -euo pipefail

fail() {
  echo "error: $*" >&2
  exit "${2:-1}"
}

usage() {
  echo "error: $*" >&2
  echo "usage: scripts/release.sh [--sign KEY] DIRECTORY" >&2
  exit 2
}

key=
if [ "${1:-}" = --sign ]; then
  [ $# -ge 2 ] || usage "--sign needs the file of a key"
  key=$(realpath -- "$2") || usage "there is no key $2"
  shift 2
fi
[ $# = 1 ] || usage "name the directory for the files"
mkdir -p -- "$1"
out=$(realpath -- "$1")
cd "$(dirname "$0")/.."

[ -z "$(git status --porcelain)" ] || fail "the working tree has changes: commit them, or release from a clean clone"
[ -z "$(ls -A "$out")" ] || fail "$out is not empty"

umask 022
export LC_ALL=C TZ=UTC
package=$(npm pack --silent --pack-destination "$out" | tail -n 1)
node scripts/release-papers.js "$out" "$package"
cd "$out"
sha256sum -- ospatch-* >SHA256SUMS
if [ -n "$key" ]; then ssh-keygen -Y sign -q -n ospatch-release -f "$key" SHA256SUMS; fi
cat SHA256SUMS
