#!/usr/bin/env bash
# Looks for leaks in the release build: many visitors and reconnects, then a table of descriptors and
# resident memory before and after. Exit 0 only if both programs are back at their former values.
# usage: scripts/soak.sh [VISITORS] [RECONNECTS]      default 100000 and 200
set -euo pipefail
cd "$(dirname "$0")/.."

case ${1-} in
    -h | --help) sed -n '2,/^set/{s/^# \?//p}' "$0"; exit ;;
    -*) echo "$0: unknown option $1, see --help" >&2; exit 2 ;;
esac

[[ -v TUNNEL_BUILD ]] || scripts/build.sh >/dev/null
exec python3 -B tests/e2e/soak.py "$@"
