/** A script that an administrator or configuration management runs as root on a node to place the helper. */
import { HELPER_DIR, type HelperScript } from './helper/script';

const END = 'OSPATCH_HELPER_END';

/** Needs POSIX sh and sha256sum; changes nothing but the helper's own file. May be run again. */
export function installerScript({ content, digest, path }: HelperScript): string {
  return `#!/bin/sh
# Places the ospatch node helper. Run as root.
set -eu
umask 022
mkdir -p ${HELPER_DIR}
new=$(mktemp ${HELPER_DIR}/.ospatch-node.XXXXXX)
trap 'rm -f "$new"' EXIT
cat >"$new" <<'${END}'
${content.toString()}${END}
if [ "$(sha256sum <"$new" | cut -c1-64)" != ${digest} ]; then
  echo 'the helper arrived incomplete; nothing was changed' >&2
  exit 1
fi
chmod 0755 "$new"
chown 0:0 "$new"
mv -f "$new" ${path}
if command -v restorecon >/dev/null 2>&1; then restorecon ${path}; fi
echo 'installed ${path}'
`;
}
