#!/usr/bin/env bash
# Checks the C++ files with clang-format, which folder includes which, that each header compiles alone, and the files of
# the programs with clang-tidy, without changing them.
# usage: scripts/check.sh [format|includes|headers|tidy]     one of them; all without it
set -euo pipefail
cd "$(dirname "$0")/.."

# The tools of another version say other things, and not every release has this one: ctest's code for a skipped test.
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

headers() {
    nice scripts/check_headers.py
}

# What is installed; tests are seen by the compilers' warnings and the sanitizers. Nothing has to be compiled for it
# but the header that all files include; clang-tidy shows clang's warnings itself. It looks at what the preset compiles,
# a dozen sources at once: most of its time goes to the headers that they share. Niced, since the tests beside it wait
# for deadlines, and this one for none.
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
    format | includes | headers | tidy) "$1" ;;
    '') format; includes; headers; tidy ;;
    *) echo "$0: unknown check $1, see --help" >&2; exit 2 ;;
esac
