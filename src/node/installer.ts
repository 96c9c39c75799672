/** The shell script with which an administrator or configuration management installs the helper as root. */
import { HELPER_DIR, type HelperScript } from './helper/script';

const END = 'OSPATCH_HELPER_END';

/** Needs POSIX sh and sha256sum; changes only the helper's own file. Idempotent. */
export function installerScript({ content, digest, path }: HelperScript): string {
  return `#!/bin/sh
# Installs the ospatch node helper. Run as root.
set -eu
umask 022
mkdir -p ${HELPER_DIR}
new=$(mktemp ${HELPER_DIR}/.ospatch-node.XXXXXX)
trap 'rm -f "$new"' EXIT
cat >"$new" <<'${END}'
${content.toString()}${END}
if [ "$(sha256sum <"$new" | cut -c1-64)" != ${digest} ]; then
  echo 'the helper is incomplete; nothing was changed' >&2
  exit 1
fi
chmod 0755 "$new"
chown 0:0 "$new"
mv -f "$new" ${path}
if command -v restorecon >/dev/null 2>&1; then restorecon ${path}; fi
echo 'installed ${path}'
`;
}
