#!/usr/bin/env bash
# Runs every test on a build that counts lines, and prints the share of the programs' lines that they reach.
# usage: scripts/coverage.sh [--html]   --html also writes build/coverage/html/index.html
set -euo pipefail
cd "$(dirname "$0")/.."

report=(--txt)
case ${1-} in
    -h | --help) sed -n '2,/^set/{s/^# \?//p}' "$0"; exit ;;
    --html) mkdir -p build/coverage/html && report+=(--html-details build/coverage/html/index.html) ;;
    '') ;;
    *) echo "$0: unknown option $1, see --help" >&2; exit 2 ;;
esac

scripts/install-dependencies.sh --test gcovr
cmake --preset coverage
cmake --build --preset coverage
find build/coverage -name '*.gcda' -delete # counts of an earlier run would be added to
ctest --test-dir build/coverage --output-on-failure --parallel $((2 * $(nproc)))
gcovr --root . --object-directory build/coverage \
    --filter common/ --filter remote-proxy/ --filter origin-proxy/ "${report[@]}"
