#!/usr/bin/env bash
# Makes packages of this version, into build/packages; their paths are its last lines.
# usage: scripts/package.sh deb|tar|image|npm [OPTION...]
#   deb      remote-proxy, origin-proxy and their documents for this release of Debian
#   tar      both programs for any Linux; --arch arm64: for 64-bit ARM
#   image    a container image of each program
#   npm      origin-proxy for npx
# The version is that of project() in CMakeLists.txt. SOURCE_DATE_EPOCH is the time that packages bear: by default that
# of the last commit, or without git that of CHANGELOG.md, so that two builds of one commit are the same bytes.
set -euo pipefail
cd "$(dirname "$0")/.."

case ${1-} in
    -h | --help) sed -n '2,/^set/{s/^# \?//p}' "$0"; exit ;;
    deb | tar | image | npm) ;;
    '') echo "$0: which package? See --help" >&2; exit 2 ;;
    *) echo "$0: unknown package $1, see --help" >&2; exit 2 ;;
esac
[[ -x scripts/package/$1.sh ]] || { echo "$0: scripts/package/$1.sh is missing" >&2; exit 1; }

export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || stat -c %Y CHANGELOG.md)}
VERSION=$(sed -n 's/^project(tunneled-reverse-proxy VERSION \([0-9.]*\).*/\1/p' CMakeLists.txt)
export VERSION

# One at a time: they share folders, and ninja's.
mkdir -p build/packages
exec 9>build/packages/lock
flock 9
"scripts/package/$1.sh" "${@:2}"
