#!/bin/bash
# Builds the OCI image of ospatch without a container daemon and without root, from packages of Debian and the npm package:
#   ospatch-X.Y.Z-linux-ARCH.oci.tar     an OCI image layout, for `skopeo copy oci-archive:FILE ...`, `podman load`, `docker load`
#                                        or `ctr images import`
# --package FILE names the npm package (default: packed from this directory); --arch amd64 or arm64 (default: this machine's).
# The Debian mirror is that of this machine, or OSPATCH_DEBIAN_MIRROR and OSPATCH_DEBIAN_SECURITY_MIRROR. The same packages
# and SOURCE_DATE_EPOCH (default: the time of the commit) make the same bytes.
# Usage: scripts/build-image.sh [--package FILE] [--arch ARCH] DIRECTORY
set -euo pipefail

fail() {
  echo "error: $*" >&2
  exit 1
}

usage() {
  echo "error: $*" >&2
  echo "usage: scripts/build-image.sh [--package FILE] [--arch amd64|arm64] DIRECTORY" >&2
  exit 2
}

package=
arch=
while [ $# -gt 1 ]; do
  case $1 in
    --package) package=$(realpath -e -- "$2") || usage "there is no file $2" ;;
    --arch) arch=$2 ;;
    *) usage "unknown option $1" ;;
  esac
  shift 2
done
[ $# = 1 ] || usage "name the directory for the image"
mkdir -p -- "$1"
out=$(realpath -- "$1")
cd "$(dirname "$0")/.."

for tool in apt-get dpkg-deb umoci npm; do
  command -v "$tool" >/dev/null || fail "$tool is missing: on Debian, apt-get install umoci, and Node.js with npm"
done
keyring=/usr/share/keyrings/debian-archive-keyring.gpg
[ -e "$keyring" ] || fail "$keyring is missing: apt-get install debian-archive-keyring"
[ -n "$arch" ] || arch=$(dpkg --print-architecture)
case $arch in
  amd64 | arm64) ;;
  *) usage "--arch: found \"$arch\"; allowed: amd64, arm64" ;;
esac

umask 022
export LC_ALL=C TZ=UTC
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
export SOURCE_DATE_EPOCH
created=$(date -u -d "@$SOURCE_DATE_EPOCH" +%Y-%m-%dT%H:%M:%SZ)

work=$(mktemp -d "${TMPDIR:-/tmp}/ospatch-image-XXXXXX")
trap 'rm -rf "$work"' EXIT

# ---- The base: a few packages of Debian, unpacked and not installed, so that none of their scripts runs.

suite=trixie
# Node.js, the SSH client, authorities for TLS, an init that reaps what programs leave behind, and a shell for ProxyCommand.
packages=(nodejs openssh-client ca-certificates tini dash base-files)
# What they depend on to be installed and configured, not to run.
needless='^(adduser|base-passwd|debconf|init-system-helpers|libdebconfclient0|node-corepack|dpkg|libacl1|libattr1|libbz2-1.0|libdb5.3t64|liblzma5|libmd0|libpam.*|libsemanage.*|libsepol.*|login|login.defs|mawk|openssl|openssl-provider-legacy|passwd|perl-base|sensible-utils|tar|debianutils|coreutils|libsystemd0|libgmp10|libcap-ng0|libaudit.*)$'

mirror_of() {
  # shellcheck disable=SC2016 # apt-get fills it in
  apt-get indextargets --format '$(REPO_URI)' 'Created-By: Packages' | sort -u | grep -m 1 -E "/$1/?\$" || true
}
mirror=${OSPATCH_DEBIAN_MIRROR:-$(mirror_of debian)}
security=${OSPATCH_DEBIAN_SECURITY_MIRROR:-$(mirror_of debian-security)}
[ -n "$mirror" ] || fail "no mirror of Debian is known here: set OSPATCH_DEBIAN_MIRROR to its address, ending in /debian"
[ -n "$security" ] || security="${mirror%/debian*}/debian-security"

apt="$work/apt"
mkdir -p "$apt"/{etc/apt/apt.conf.d,etc/apt/preferences.d,etc/apt/trusted.gpg.d,var/lib/apt/lists/partial,var/lib/dpkg,var/cache/apt/archives/partial}
: >"$apt/var/lib/dpkg/status"
for source in "$mirror $suite" "$mirror $suite-updates" "$security $suite-security"; do
  echo "deb [signed-by=$keyring] $source main"
done >"$apt/etc/apt/sources.list"
cat >"$apt/apt.conf" <<CONF
Dir "$apt";
Dir::State::status "$apt/var/lib/dpkg/status";
Dir::Etc::sourceparts "-";
APT::Architecture "$arch";
APT::Architectures { "$arch"; };
APT::Install-Recommends "false";
APT::Sandbox::User "";
Acquire::Languages "none";
$(apt-config dump | grep -E '^Acquire::(http|https)::Proxy ' || true)
CONF
echo "Fetching the packages of Debian $suite for $arch ..." >&2
APT_CONFIG="$apt/apt.conf" apt-get -qq update
APT_CONFIG="$apt/apt.conf" apt-get -qq -y --download-only install "${packages[@]}" >/dev/null

base="$work/base"
mkdir -p "$base"/{usr/bin,usr/sbin,usr/lib,usr/lib64,etc,tmp,var/lib/dpkg,var/tmp,proc,sys,dev,run,home}
for dir in bin sbin lib lib64; do ln -s "usr/$dir" "$base/$dir"; done
chmod 1777 "$base/tmp" "$base/var/tmp"
status="$base/var/lib/dpkg/status"
for deb in "$apt"/var/cache/apt/archives/*.deb; do
  name=$(dpkg-deb --field "$deb" Package)
  if grep -qE "$needless" <<<"$name"; then continue; fi
  # tar keeps the links above where a package still has /lib or /bin as directories.
  dpkg-deb --fsys-tarfile "$deb" | tar -x --no-same-owner --keep-directory-symlink -C "$base"
  # For scanners, and for whoever asks which source belongs to it.
  dpkg-deb --field "$deb" | sed '1a Status: install ok installed' >>"$status"
  echo >>"$status"
  echo "$name $(dpkg-deb --field "$deb" Version) $(sha256sum "$deb" | cut -d' ' -f1)"
done | sort >"$work/debian-packages"

# ca-certificates configures this with a script.
mkdir -p "$base/etc/ssl/certs"
find "$base/usr/share/ca-certificates" -name '*.crt' | sort | while read -r file; do
  cat "$file"
done >"$base/etc/ssl/certs/ca-certificates.crt"

# Text for people stays out; what licences ask for stays.
find "$base/usr/share/doc" ! -name copyright \( -type f -o -type l \) -delete
rm -rf "$base"/usr/share/{man,locale,lintian,bash-completion,info,bug,runit,apport,doc-base,zsh,fish,initramfs-tools,menu} \
  "$base"/usr/include "$base"/usr/lib/systemd "$base"/etc/{init.d,default,ssh/ssh_config.d,update-motd.d} \
  "$base"/usr/share/nodejs/{npm,corepack} "$base"/usr/lib/tmpfiles.d "$base"/usr/lib/openssh/ssh-{sk-helper,pkcs11-helper,keysign} "$base"/usr/bin/ssh-argv0
find "$base" -type d -empty -path '*/usr/*' -delete
ln -sf dash "$base/usr/bin/sh"

# ---- ospatch: a user that only has a number to Kubernetes, and the places where secrets are mounted.

uid=65532
cat >"$base/etc/passwd" <<PASSWD
root:x:0:0:root:/root:/usr/sbin/nologin
ospatch:x:$uid:$uid:ospatch:/home/ospatch:/usr/sbin/nologin
PASSWD
cat >"$base/etc/group" <<GROUP
root:x:0:
ospatch:x:$uid:
GROUP
echo 'hosts: files dns' >"$base/etc/nsswitch.conf"
mkdir -p "$base/home/ospatch" "$base"/etc/ospatch/{keys,kubeconfigs,secrets,encryption,hooks,calendars,notify.d,notifications,policy,temporal}

app="$work/app"
root="$app/usr/lib/ospatch"
mkdir -p "$app/usr/lib" "$app/usr/bin"
scripts/setup.sh deps build >&2
if [ -z "$package" ]; then package="$work/$(npm pack --silent --ignore-scripts --pack-destination "$work" | tail -n 1)"; fi
tar -xzf "$package" -C "$work" --no-same-owner
version=$(node -p 'require(process.argv[1]).version' "$work/package/package.json")
node scripts/program-tree.js --arch "$arch" --package "$work/package" "$root"
cat >"$app/usr/bin/ospatch" <<'RUN'
#!/bin/sh
exec /usr/bin/node /usr/lib/ospatch/bin/ospatch.js "$@"
RUN
chmod 0755 "$app/usr/bin/ospatch"

# ---- Two layers, so that an upgrade of ospatch does not fetch Debian again.

layer() {
  # Nothing of this machine: no names, no times, no extended attributes, an order of its own.
  chmod -R u+rwX,go+rX,go-w "$1"
  [ ! -d "$1/tmp" ] || chmod 1777 "$1/tmp" "$1/var/tmp"
  tar --create --format=gnu --sort=name --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 --numeric-owner -C "$1" --file "$2" .
}
layer "$base" "$work/base.tar"
layer "$app" "$work/app.tar"

layout="$work/layout"
umoci init --layout "$layout"
umoci new --image "$layout:$version"
add() {
  umoci raw add-layer --image "$layout:$version" --history.created "$created" --history.created_by "$2" --history.author ospatch "$1"
}
add "$work/base.tar" "Debian $suite: ${packages[*]}"
add "$work/app.tar" "ospatch $version"
revision=$(git rev-parse HEAD)
label() { printf -- '--config.label=org.opencontainers.image.%s=%s\n' "$1" "$2"; }
mapfile -t labels < <(
  label title ospatch
  label description "$(node -p 'require(process.argv[1]).description' "$root/package.json")"
  label version "$version"
  label revision "$revision"
  label created "$created"
  label licenses Apache-2.0
  label url https://github.com/ospatch/ospatch
  label source https://github.com/ospatch/ospatch
  label documentation https://github.com/ospatch/ospatch/blob/main/docs/install-image.md
  label base.name "debian:$suite"
)
umoci config --image "$layout:$version" --history.created "$created" --history.created_by 'configuration' --history.author ospatch \
  --created "$created" --author ospatch --architecture "$arch" --os linux \
  --clear config.env --clear config.cmd \
  --config.user "$uid:$uid" --config.workingdir /home/ospatch \
  --config.env PATH=/usr/bin:/usr/sbin --config.env HOME=/home/ospatch --config.env NODE_ENV=production \
  --config.env OSPATCH_KEY_DIR=/etc/ospatch/keys --config.env OSPATCH_KUBECONFIG_DIR=/etc/ospatch/kubeconfigs \
  --config.env OSPATCH_SECRET_DIR=/etc/ospatch/secrets \
  --config.env OSPATCH_HOOK_DIR=/etc/ospatch/hooks --config.env OSPATCH_CALENDAR_DIR=/etc/ospatch/calendars \
  --config.env OSPATCH_NOTIFY_DIR=/etc/ospatch/notify.d \
  --config.env OSPATCH_NOTIFICATIONS=/etc/ospatch/notifications/notifications.yaml \
  --config.env SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt \
  --config.entrypoint /usr/bin/tini --config.entrypoint=-- --config.entrypoint /usr/bin/ospatch --config.cmd worker \
  --config.stopsignal SIGTERM "${labels[@]}"
umoci gc --layout "$layout"
# The name under which Podman and containerd load it, and the list that Docker reads.
node scripts/image-names.js "$layout" "localhost/ospatch:$version"
# umoci stores them readable for their owner only, and the name of a tag is all that other programs need.
chmod -R u+rwX,go+rX "$layout"

name="ospatch-$version-linux-$arch"
tar --create --format=gnu --sort=name --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 --numeric-owner \
  -C "$layout" --file "$out/$name.oci.tar" .
cp "$work/debian-packages" "$out/$name.packages"
echo "$name.oci.tar"
