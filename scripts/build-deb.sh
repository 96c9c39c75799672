#!/bin/bash
# Makes ospatch_X.Y.Z_ARCH.deb from what npm publishes. The same commit makes the same bytes (SOURCE_DATE_EPOCH, by default
# the time of the commit).
#   --arch ARCH       amd64 or arm64; default: the one of this machine
#   --tarball FILE    the package of npm to take; default: packed from lib/ as it is built here
#   --version V       another version, for tests of upgrades
# Usage: scripts/build-deb.sh [--arch ARCH] [--tarball FILE] [--version V] DIRECTORY
set -euo pipefail

usage() {
  echo "error: $*" >&2
  echo "usage: scripts/build-deb.sh [--arch amd64|arm64] [--tarball FILE] [--version V] DIRECTORY" >&2
  exit 2
}

fail() {
  echo "error: $*" >&2
  exit 1
}

arch=
tarball=
version=
while [ $# -gt 1 ]; do
  case $1 in
    --arch) arch=$2 ;;
    --tarball) tarball=$(realpath -e -- "$2") || usage "there is no file $2" ;;
    --version) version=$2 ;;
    *) usage "unknown option $1" ;;
  esac
  shift 2
done
if [ $# != 1 ] || [[ $1 == -* ]]; then usage "name the directory for the package"; fi
command -v dpkg-deb >/dev/null || fail "dpkg-deb is missing: install the package dpkg"
arch=${arch:-$(dpkg --print-architecture)}
[[ $arch =~ ^(amd64|arm64)$ ]] || usage "--arch: found $arch; allowed: amd64, arm64"
mkdir -p -- "$1"
out=$(realpath -- "$1")
cd "$(dirname "$0")/.."

umask 022
export LC_ALL=C TZ=UTC
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
export SOURCE_DATE_EPOCH
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

scripts/setup.sh deps build >&2
if [ -z "$tarball" ]; then
  tarball=$work/$(npm pack --silent --ignore-scripts --pack-destination "$work" | tail -n 1)
fi
tar -xzf "$tarball" -C "$work"
npm=$work/package
[ -n "$version" ] || version=$(node -p 'require(process.argv[1]).version' "$npm/package.json")
[[ $version =~ ^[0-9][A-Za-z0-9.+~]*$ ]] || usage "--version: found $version; allowed: such as 0.2.0 or 0.2.0~rc1"

root=$work/root
lib=$root/usr/lib/ospatch
doc=$root/usr/share/doc/ospatch
node scripts/program-tree.js --arch "$arch" --package "$npm" "$lib"

# What the package of another architecture contains is never run here.
if [ "$arch" = "$(dpkg --print-architecture)" ]; then
  node "$lib/bin/ospatch.js" --version >/dev/null
  node -e 'for (const name of ["worker.js", "index.js"]) require(process.argv[1] + "/lib/" + name);
    for (const name of ["@aws-sdk/client-eks", "@aws-sdk/client-ssm", "@kubernetes/client-node"]) require(process.argv[1] + "/node_modules/" + name)' "$lib"
fi

install -d "$root/usr/bin" "$root/usr/share/man/man1" "$root/usr/share/man/man8" "$doc/examples"
ln -s ../lib/ospatch/bin/ospatch.js "$root/usr/bin/ospatch"
for unit in ospatch-worker.service ospatch-exporter.service; do
  install -D -m 0644 "packaging/systemd/$unit" "$root/usr/lib/systemd/system/$unit"
done
install -D -m 0644 packaging/systemd/ospatch.sysusers "$root/usr/lib/sysusers.d/ospatch.conf"
install -D -m 0640 packaging/deb/worker.env "$root/etc/ospatch/worker.env"
install -D -m 0644 packaging/deb/lintian-overrides "$root/usr/share/lintian/overrides/ospatch"

completion() {
  mkdir -p "$(dirname "$root/$2")"
  node bin/ospatch.js completion "$1" >"$root/$2"
}
completion bash usr/share/bash-completion/completions/ospatch
completion zsh usr/share/zsh/vendor-completions/_ospatch
completion fish usr/share/fish/vendor_completions.d/ospatch.fish

node scripts/generate-man.js "$root/usr/share/man/man1"
sed "s/@VERSION@/$version/; s/@DATE@/$(date -u -d "@$SOURCE_DATE_EPOCH" +%F)/" packaging/man/ospatch-worker.service.8 >"$root/usr/share/man/man8/ospatch-worker.service.8"

cp -r "$npm/examples/." "$doc/examples/"
cp -r "$npm/docs/." "$npm/schema" "$doc/"
# Pages name files beside their directory, which are in this one here, or in the repository.
sed -i -E 's,\]\(\.\./(examples|schema),](\1,g; s,\]\(\.\./(SECURITY|CONTRIBUTING)\.md,](https://github.com/ospatch/ospatch/blob/main/\1.md,g' "$doc"/*.md
cp "$npm/CHANGELOG.md" "$doc/CHANGELOG.md"
node scripts/deb-copyright.js >"$doc/copyright"
# A version that is not the newest of the changelog is one for a test.
if [ "$(sed -n '1s/.*(\(.*\)).*/\1/p' packaging/deb/changelog)" != "$version" ]; then
  printf 'ospatch (%s) unstable; urgency=medium\n\n  * A build for tests.\n\n -- ospatch maintainers <ospatch@users.noreply.github.com>  %s\n\n' \
    "$version" "$(date -u -R -d "@$SOURCE_DATE_EPOCH")" >"$doc/changelog"
fi
cat packaging/deb/changelog >>"$doc/changelog"
find "$root/usr/share/man" -type f -exec gzip -9n {} +
gzip -9n "$doc/changelog" "$doc/CHANGELOG.md"

# The newest version of the C library that the native library asks for.
glibc=$(node -e '
  const text = require("fs").readFileSync(process.argv[1], "latin1");
  const found = [...text.matchAll(/GLIBC_(\d+)\.(\d+)/g)].map(([, a, b]) => [Number(a), Number(b)]);
  console.log(found.sort((x, y) => y[0] - x[0] || y[1] - x[1])[0].join("."));' "$lib"/node_modules/@temporalio/core-bridge/releases/*/index.node)

install -d "$root/DEBIAN"
find "$root" -mindepth 1 -path "$root/DEBIAN" -prune -o -type d -exec chmod 0755 {} +
(cd "$root" && find . -path ./DEBIAN -prune -o -type f ! -path './etc/*' -printf '%P\0' | sort -z | xargs -0 md5sum) >"$root/DEBIAN/md5sums"
# Installed-Size as dpkg-gencontrol counts: each file rounded up to KiB, a directory or link as 1 KiB.
size=$(find "$root" -mindepth 1 -path "$root/DEBIAN" -prune -o -printf '%y %s\n' | awk '{ kib += $1 == "f" ? int(($2 + 1023) / 1024) : 1 } END { print kib }')
sed -e "s/@VERSION@/$version/; s/@ARCH@/$arch/; s/@SIZE@/$size/; s/@GLIBC@/$glibc/" packaging/deb/control >"$root/DEBIAN/control"
echo /etc/ospatch/worker.env >"$root/DEBIAN/conffiles"
install -m 0755 packaging/deb/postinst packaging/deb/prerm packaging/deb/postrm "$root/DEBIAN/"

find "$root" -exec touch --no-dereference --date "@$SOURCE_DATE_EPOCH" {} +
deb=$out/ospatch_${version}_$arch.deb
# One thread: how the work is divided would be visible in the bytes. A higher level takes minutes for a tenth.
dpkg-deb --root-owner-group --threads-max=1 -Zxz -z2 --build "$root" "$deb" >&2
echo "$deb"
