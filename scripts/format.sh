#!/usr/bin/env bash
# Formats all C++ files in place.
# usage: scripts/format.sh [--check]    --check changes nothing, and fails if something would change
set -euo pipefail
cd "$(dirname "$0")/.."

case ${1-} in
    -h | --help) sed -n '2,/^set/{s/^# \?//p}' "$0"; exit ;;
    --check) mode=(--dry-run -Werror) ;;
    '') mode=(-i) ;;
    *) echo "$0: unknown option $1, see --help" >&2; exit 2 ;;
esac

# Version 14: others format differently.
find common remote-proxy origin-proxy tests \( -name '*.cpp' -o -name '*.hpp' \) -print0 |
    xargs -0 clang-format-14 "${mode[@]}"
