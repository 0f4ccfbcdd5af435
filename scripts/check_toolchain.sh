#!/usr/bin/env bash
# Names every missing or too old tool with its cure, instead of failing somewhere inside a build.
set -u
python=${1:-python3}
bad=0
need() { # name, found version, least version, cure
  if [ -z "$2" ]; then
    echo "$1 is missing. $4" >&2; bad=1
  elif [ "$(printf '%s\n%s\n' "$3" "$2" | sort -V | head -n 1)" != "$3" ]; then
    echo "$1 $2 is too old; $3 or newer is needed. $4" >&2; bad=1
  fi
}
version() { "$@" 2>/dev/null | grep -oE '[0-9]+\.[0-9]+(\.[0-9]+)?' | head -n 1; }
need Python "$(version "$python" --version)" 3.11 "Install it: apt-get install python3 python3-venv (or set PYTHON=/path/to/python3)."
need Rust "$(version rustc --version)" 1.90 "Install it with rustup (https://rustup.rs), then: rustup update stable && rustup default stable."
need Cargo "$(version cargo --version)" 1.90 "It comes with Rust: rustup update stable && rustup default stable."
# Debian 12 itself has Node.js 18 only.
node="Install Node.js 22 from NodeSource: apt-get install curl && curl -fsSL https://deb.nodesource.com/setup_22.x | bash - && apt-get install nodejs; or unpack an archive of https://nodejs.org/en/download and put its bin folder first in PATH."
need Node.js "$(version node --version)" 20.0 "$node"
need npm "$(version npm --version)" 9.0 "It comes with Node.js. $node"
need "C compiler" "$(version cc --version)" 4.0 "Install it: apt-get install build-essential."
"$python" -c 'import venv, ensurepip' 2>/dev/null || { echo "Python's venv module is missing. Install it: apt-get install python3-venv." >&2; bad=1; }
exit $bad
