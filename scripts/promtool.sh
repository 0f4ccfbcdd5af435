#!/usr/bin/env bash
# Prints the path of promtool: the installed one, or that of Debian's package `prometheus`, unpacked
# below .venv (nothing is installed, no rights are needed).
set -euo pipefail
if command -v promtool; then exit 0; fi
folder="$(cd "$(dirname "$0")/.." && pwd)/.venv/promtool"
if [ ! -x "$folder/usr/bin/promtool" ]; then
  mkdir -p "$folder"
  cd "$folder"
  apt-get download prometheus >/dev/null 2>&1
  dpkg-deb -x prometheus_*.deb .
  rm -f prometheus_*.deb usr/bin/prometheus
fi
echo "$folder/usr/bin/promtool"
