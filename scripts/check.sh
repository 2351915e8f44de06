#!/usr/bin/env bash
# Checks the C++ files with clang-format, which folder includes which, and the files of the programs with
# clang-tidy, without changing them.
# usage: scripts/check.sh [format|includes|tidy]     one of them; all without it
set -euo pipefail
cd "$(dirname "$0")/.."

# Other versions of the tools give other results, and not every release has this one: exit as a skipped test.
need() {
    command -v "$1" >/dev/null || { echo "$0: $1 is not installed, so nothing was checked" >&2; exit 77; }
}

format() {
    need clang-format-14
    scripts/format.sh --check
}

includes() {
    scripts/check_includes.py
}

# Only the programs; compilers' warnings and sanitizers cover the tests. Nothing is compiled but the header that all files
# include; clang-tidy shows clang's warnings itself. It checks what the preset compiles, a dozen sources at once: most of
# its time goes into shared headers. Niced, since the tests beside it have deadlines.
tidy() {
    need clang-tidy-14
    cmake --preset clang >/dev/null
    cmake --build --preset clang --target common/CMakeFiles/tunnel_common.dir/cmake_pch.hxx.pch >/dev/null
    grep -oP '"file": "\K[^"]+/(common|remote-proxy|origin-proxy)/[^"]+(?=")' build/clang/compile_commands.json |
        grep -v cmake_pch |
        nice xargs -P "$(nproc)" -n 1 clang-tidy-14 --quiet -p build/clang
}

case ${1-} in
    -h | --help) sed -n '2,/^set/{s/^# \?//p}' "$0" ;;
    format | includes | tidy) "$1" ;;
    '') format; includes; tidy ;;
    *) echo "$0: unknown check $1, see --help" >&2; exit 2 ;;
esac
