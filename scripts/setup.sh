#!/bin/bash
# Installs the prerequisites of the named parts, skipping existing ones:
#   deps         node_modules
#   build        lib/ (needs deps)
#   linters      shellcheck
#   terminal     tmux, which records terminals in tests
#   shells       fish and zsh, in which tests complete words
#   manuals      groff, which formats man pages
#   packages     lintian, which checks the Debian package
#   site         the generator of the documentation site
#   temporal     the Temporal development server        (these five need deps;
#   test-server  the test server that skips time         all of them are kept in
#   lab          the images of the node lab (root)       the cache directory)
#   kubernetes   a Kubernetes control plane
#   python       the Temporal SDK of Python
#   go-client    the client in Go of docs/messages.md
#   monitoring   Prometheus and promtool
#   collector    a collector of OpenTelemetry
#   alertmanager Alertmanager
#   helm         Helm, for the chart
#   image        what builds, copies and serves OCI images (root)
set -euo pipefail
cd "$(dirname "$0")/.."

fail() {
  echo "error: $*" >&2
  exit 1
}

check_node() {
  command -v node >/dev/null || fail "node is missing: install Node.js 20.19 or newer with npm"
  node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 20 || (a === 20 && b >= 19) ? 0 : 1)' ||
    fail "Node.js $(node --version) is too old: install 20.19 or newer"
}

setup_deps() {
  check_node
  # npm writes this file last, so an interrupted installation never counts as complete.
  if [ ! node_modules/.package-lock.json -ot package-lock.json ]; then return; fi
  echo "Installing the packages of package-lock.json (usually 30 s) ..."
  npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
  touch node_modules/.package-lock.json
}

setup_build() {
  if [ -e lib/.built ] && [ -z "$(find src scripts/build-*.js package.json tsconfig.json node_modules/.package-lock.json -newer lib/.built -print -quit)" ]; then
    return
  fi
  echo "Building lib/ (usually 5 s) ..."
  npm run --silent build
}

# Apart from the packages of the product, which never depends on these.
setup_site() {
  check_node
  if [ ! site/node_modules/.package-lock.json -ot site/package-lock.json ]; then return; fi
  echo "Installing the generator of the site (usually 30 s) ..."
  npm ci --prefix site --ignore-scripts --no-audit --no-fund --loglevel=error
  touch site/node_modules/.package-lock.json
}

setup_linters() { install_program shellcheck; }

setup_terminal() { install_program tmux; }

setup_shells() {
  install_program fish
  install_program zsh
}

setup_manuals() { install_program groff groff-base; }

setup_packages() { install_program lintian; }

setup_alertmanager() { install_program prometheus-alertmanager; }

# install_program PROGRAM [PACKAGE]: the package has the name of the program, unless another one is given.
install_program() {
  local package=${2:-$1}
  if command -v "$1" >/dev/null; then return; fi
  if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then fail "$1 is missing: install it with your package manager"; fi
  echo "Installing $1 with apt-get (usually 10 s) ..."
  apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq -y install "$package" >/dev/null
}

prepare=()
for part in "$@"; do
  case $part in
    deps | build | linters | terminal | shells | manuals | packages | alertmanager | site) "setup_$part" ;;
    temporal | test-server | lab | kubernetes | python | go-client | monitoring | collector | helm | image) prepare+=("$part") ;;
    *) fail "unknown part \"$part\"" ;;
  esac
done
if [ ${#prepare[@]} -gt 0 ]; then node tools/run.js prepare "${prepare[@]}"; fi
