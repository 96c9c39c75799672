#!/bin/bash
# Makes what a release consists of, from the commit that is checked out:
#   ospatch-X.Y.Z.tgz                     the package, as npm publishes it
#   ospatch_X.Y.Z_ARCH.deb                the package of Debian
#   ospatch-X.Y.Z-linux-ARCH.oci.tar      the image
#   ospatch-chart-X.Y.Z.tgz               the Helm chart
#   ospatch-X.Y.Z.cdx.json                the software bill of materials (CycloneDX), and one of each image
#   ospatch-X.Y.Z.intoto.json             their provenance (in-toto statement, SLSA provenance v1)
#   SHA256SUMS                            digests of all
#   SHA256SUMS.sig                        with --sign KEY: a signature of `ssh-keygen -Y sign`
# The same commit, tools and packages of Debian make the same bytes.
# Usage: scripts/release.sh [--sign KEY] [--arch ARCH]... DIRECTORY     (ARCH: amd64, arm64; default: that of this machine)
set -euo pipefail

fail() {
  echo "error: $*" >&2
  exit "${2:-1}"
}

usage() {
  echo "error: $*" >&2
  echo "usage: scripts/release.sh [--sign KEY] [--arch ARCH]... DIRECTORY" >&2
  exit 2
}

key=
architectures=()
while [ $# -gt 1 ]; do
  case $1 in
    --sign) key=$(realpath -e -- "$2") || usage "there is no key $2" ;;
    --arch) architectures+=("$2") ;;
    *) usage "unknown option $1" ;;
  esac
  shift 2
done
if [ $# != 1 ] || [[ $1 == -* ]]; then usage "name the directory for the files"; fi
for arch in "${architectures[@]}"; do
  [[ $arch =~ ^(amd64|arm64)$ ]] || usage "--arch: found \"$arch\"; allowed: amd64, arm64"
done
mkdir -p -- "$1"
out=$(realpath -- "$1")
cd "$(dirname "$0")/.."

[ -z "$(git status --porcelain)" ] || fail "the working tree has changes: commit them, or release from a clean clone"
[ -z "$(ls -A "$out")" ] || fail "$out is not empty"

umask 022
export LC_ALL=C TZ=UTC
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
export SOURCE_DATE_EPOCH
[ ${#architectures[@]} -gt 0 ] || architectures=("$(dpkg --print-architecture)")
package=$(npm pack --silent --pack-destination "$out" | tail -n 1)
version=$(node -p 'require("./package.json").version')
for arch in "${architectures[@]}"; do
  scripts/build-deb.sh --arch "$arch" --tarball "$out/$package" "$out" >&2
  scripts/build-image.sh --arch "$arch" --package "$out/$package" "$out" >&2
done
# As `helm package` makes it, with nothing of this machine.
tar --create --format=gnu --sort=name --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 --numeric-owner \
  --mode=u+rwX,go+rX,go-w --exclude=ospatch/ci -C deploy/helm ospatch | gzip -9n >"$out/ospatch-chart-$version.tgz"
node scripts/release-papers.js "$out" "$package"
cd "$out"
sha256sum -- ospatch[-_]* >SHA256SUMS
if [ -n "$key" ]; then ssh-keygen -Y sign -q -n ospatch-release -f "$key" SHA256SUMS; fi
cat SHA256SUMS
