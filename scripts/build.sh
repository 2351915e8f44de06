#!/usr/bin/env bash
# Installs what is missing and builds the two programs; their paths are its last two lines.
# usage: scripts/build.sh [PRESET]      release (the default), or another one of CMakePresets.json
set -euo pipefail
cd "$(dirname "$0")/.."

case ${1-} in
    -h | --help) sed -n '2,/^set/{s/^# \?//p}' "$0"; exit ;;
    -*) echo "$0: unknown option $1, see --help" >&2; exit 2 ;;
esac
preset=${1-release}

extra=()
[[ $preset != clang ]] || extra=(clang)
scripts/install-dependencies.sh "${extra[@]}"
cmake --preset "$preset"
cmake --build --preset "$preset" --target remote-proxy origin-proxy
printf '%s\n' "build/$preset/"{remote-proxy/remote-proxy,origin-proxy/origin-proxy}
