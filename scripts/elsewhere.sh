#!/usr/bin/env bash
# Runs the project in a fresh root of another release, to prove that it builds on Debian 13, for example.
# usage: scripts/elsewhere.sh [--keep] RELEASE [COMMAND...]
#   RELEASE      the name of a Debian or Ubuntu release: trixie, sid, noble
#   COMMAND...   run in a copy of this checkout; without it, the README's two commands
#   --keep       keep the root and the build in build/elsewhere/RELEASE, or reuse those of an earlier --keep
# Needs root (chroot) and the network (packages of that release). Changes nothing outside build/elsewhere.
# TUNNEL_MIRROR names another mirror for the packages.
set -euo pipefail
cd "$(dirname "$0")/.."

keep=no
[[ ${1-} != --keep ]] || { keep=yes; shift; }
case ${1-} in
    -h | --help) sed -n '2,/^set/{s/^# \?//p}' "$0"; exit ;;
    '' | -*) echo "$0: which release? See --help" >&2; exit 2 ;;
    *[!a-z0-9]*) echo "$0: \"$1\" is not the name of a release, such as trixie" >&2; exit 2 ;;
esac
release=$1
shift
((EUID == 0)) || { echo "$0: run this as root: it needs chroot" >&2; exit 1; }

scripts/install-dependencies.sh mmdebstrap
mirror=${TUNNEL_MIRROR-}
options=()
case $release in
    focal | jammy | noble | oracular | plucky | questing)
        components=main,universe
        mirror=${mirror:-http://archive.ubuntu.com/ubuntu}
        # Debian lacks the key of Ubuntu's archive. Without it packages cannot be verified, but this root is
        # temporary.
        keyring=/usr/share/keyrings/ubuntu-archive-keyring.gpg
        [[ -e $keyring ]] || mirror="deb [trusted=yes] $mirror $release ${components/,/ }" ;;
    *)
        components=main
        mirror=${mirror:-http://deb.debian.org/debian} ;;
esac

place=build/elsewhere/$release
root=$PWD/$place/root
if [[ $keep == no || ! -e $place/made ]]; then
    rm -rf --one-file-system "$place"
    mkdir -p "$place"
    # A mirror may be weeks old, but this root is temporary.
    mmdebstrap --quiet --variant=apt --components="$components" --aptopt='Acquire::Retries "3"' \
        --aptopt='Acquire::Check-Valid-Until "false"' \
        "${options[@]}" "$release" "$root" "$mirror"
    touch "$place/made"
fi

# The files that git tracks, with their times, so that nothing is built twice.
mkdir -p "$root/src"
find "$root/src" -mindepth 1 -maxdepth 1 ! -name build -exec rm -rf {} +
git ls-files -z --cached --others --exclude-standard |
    { while IFS= read -r -d '' file; do [[ ! -e $file ]] || printf '%s\0' "$file"; done; } |
    tar --null --files-from - --create | tar --extract --directory "$root/src"
(($#)) || set -- bash -c 'scripts/demo.sh && scripts/test.sh'

# In new namespaces: all mounts and processes end with it.
ran=0
unshare --mount --pid --fork --kill-child --propagation private bash -c '
    root=$1
    shift
    mount -t proc proc "$root/proc"
    mount --rbind /dev "$root/dev"
    mount --rbind /sys "$root/sys"
    mount -t tmpfs -o mode=1777 tmpfs "$root/tmp"
    cp -L /etc/resolv.conf "$root/etc/resolv.conf"
    exec chroot "$root" /usr/bin/env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
        HOME=/root LANG=C.UTF-8 TERM=dumb CI="${CI-}" sh -c "cd /src && exec \"\$@\"" sh "$@"
' bash "$root" "$@" </dev/null || ran=$?
[[ $keep == yes ]] || rm -rf --one-file-system "$place"
exit $ran
