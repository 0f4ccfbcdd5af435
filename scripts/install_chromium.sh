#!/bin/sh
# Installs Debian's Chromium and Chinese fonts for the tests in a browser; prints its path.
set -eu

found() {
    command -v chromium || command -v chromium-browser
}

if ! found >/dev/null || ! fc-list :lang=zh 2>/dev/null | grep -q .; then
    export DEBIAN_FRONTEND=noninteractive
    command -v apt-get >/dev/null || {
        echo "chromium is missing, and there is no apt-get to install it with" >&2
        exit 1
    }
    {
        apt-get install -y --no-install-recommends chromium fonts-noto-cjk fontconfig || {
            apt-get update
            apt-get install -y --no-install-recommends chromium fonts-noto-cjk fontconfig
        }
    } >&2
fi
found
