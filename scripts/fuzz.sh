#!/usr/bin/env bash
# Builds the fuzz targets and runs them one after the other, on one core; inputs that reach new code are
# kept in build/fuzz/kept. Fails after all have run if one has crashed, and says how to replay it.
# usage: scripts/fuzz.sh [--seconds N] [TARGET...]
#   --seconds N   for each target; default 10
#   TARGET...     for example frame or command_line, see tests/fuzz; default all
set -euo pipefail
cd "$(dirname "$0")/.."

seconds=10
targets=()
while (($#)); do
    case $1 in
        -h | --help) sed -n '2,/^set/{s/^# \?//p}' "$0"; exit ;;
        --seconds)
            [[ ${2-} =~ ^[1-9][0-9]*$ ]] || { echo "$0: --seconds takes a number" >&2; exit 2; }
            seconds=$2; shift ;;
        -*) echo "$0: unknown option $1, see --help" >&2; exit 2 ;;
        *)
            [[ -e tests/fuzz/$1_fuzz.cpp ]] || { echo "$0: no target $1, see tests/fuzz" >&2; exit 2; }
            targets+=("$1") ;;
    esac
    shift
done
if ((${#targets[@]} == 0)); then
    for file in tests/fuzz/*_fuzz.cpp; do
        targets+=("$(basename "$file" _fuzz.cpp)")
    done
fi

scripts/install-dependencies.sh clang libclang-rt-dev
cmake --preset fuzz >/dev/null
cmake --build --preset fuzz --target "${targets[@]/%/_fuzz}"

status=0
for target in "${targets[@]}"; do
    tests/fuzz/run.sh "$target" "$seconds" || status=1
done
exit $status
