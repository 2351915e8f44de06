#!/usr/bin/env bash
# Builds both programs without shared libraries, for any Linux of an architecture: build/packages/static/ARCH/.
# Their paths are its last two lines. Debian only, since fmt and prometheus-cpp come as the sources of its packages.
# usage: scripts/package/static.sh [amd64|arm64]      this machine's without it; arm64 is compiled on any machine
# TUNNEL_MIRROR names another mirror for the packages.
set -euo pipefail
cd "$(dirname "$0")/../.."

own=$(dpkg --print-architecture)
arch=${1:-$own}
case $arch in
    -h | --help) sed -n '2,/^set/{s/^# \?//p}' "$0"; exit ;;
    "$own") preset=static tree=build/release strip=strip ;;
    arm64) preset=arm64 tree=build/arm64 strip=aarch64-linux-gnu-strip ;;
    *) echo "$0: cannot build for $arch on $own" >&2; exit 2 ;;
esac
mirror=${TUNNEL_MIRROR:-http://deb.debian.org/debian}
codename=$(sed -n "s/^VERSION_CODENAME=//p" /etc/os-release)

log=build/static-$arch.log
exec 3>&1 >"$log" 2>&1
trap '(($? == 0)) || { tail -n 40 "$log" >&3; echo "$0: the above failed" >&3; }' EXIT

scripts/install-dependencies.sh dpkg-dev binutils

# The sources of the very versions whose headers are installed. apt checks their signatures.
sources=$PWD/build/sources
wanted=$(dpkg-query -W -f '${source:Package}=${source:Version}\n' libfmt-dev prometheus-cpp-dev)
if [[ $wanted != "$(cat "$sources/complete" 2>/dev/null)" ]]; then
    rm -rf "$sources"
    mkdir -p "$sources"/{parts,lists/partial,archives/partial}
    cat >"$sources/parts/debian.sources" <<END
Types: deb-src
URIs: $mirror
Suites: $codename
Components: main
Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg
END
    apt=(apt-get -q -o APT::Sandbox::User=root -o Acquire::Retries=3 -o Dir::Etc::SourceList=/dev/null
        -o "Dir::Etc::SourceParts=$sources/parts" -o "Dir::State::Lists=$sources/lists" -o "Dir::Cache=$sources")
    "${apt[@]}" update
    for package in $wanted; do
        name=${package%%=*}
        (cd "$sources" && "${apt[@]}" source "$package" && mv "$name"-*/ "$name")
    done
    echo "$wanted" >"$sources/complete"
fi

# What the programs are compiled with, for another architecture: unpacked, not installed.
sysroot=$PWD/build/sysroot/$arch
if [[ $arch != "$own" && ! -e $sysroot/complete ]]; then
    scripts/install-dependencies.sh mmdebstrap g++-aarch64-linux-gnu
    from=("$mirror")
    # Whose OpenSSL becomes a part of the programs.
    [[ -n ${TUNNEL_MIRROR-} ]] ||
        from+=("deb http://deb.debian.org/debian-security $codename-security main")
    rm -rf --one-file-system "$sysroot"
    mkdir -p "${sysroot%/*}"
    # The versions are for the SBOM.
    mmdebstrap --quiet --variant=extract --architectures="$arch" --components=main --aptopt='Acquire::Retries "3"' \
        --include=libc6-dev,libssl-dev,libseccomp-dev,libcap-ng-dev,libcrypt-dev,libfmt-dev,libasio-dev \
        --include=libcli11-dev,nlohmann-json3-dev,libtomlplusplus-dev,prometheus-cpp-dev,libboost-dev \
        --extract-hook='for deb in "$1"/var/cache/apt/archives/*.deb; do
            dpkg-deb --show --showformat="\${Package} \${source:Package} \${source:Version}\n" "$deb"
        done >"$1/packages"' \
        "$codename" "$sysroot" "${from[@]}"
    touch "$sysroot/complete"
fi

# A build that is there already is not configured again: its tests may be running.
if ! grep -qs remote-proxy-static "$tree/build.ninja"; then
    configuration=${tree#build/}
    cmake --preset "$configuration"
fi
# Each time for NSS the linker says that it would load modules; common/base/static_program.cpp sees to that.
cmake --build --preset "$preset"

folder=build/packages/static/$arch
mkdir -p "$folder"
for program in remote-proxy origin-proxy; do
    # Renamed, since the former one may be running.
    if [[ ! $folder/$program -nt $tree/static/$program ]]; then
        "$strip" -o "$folder/$program.new" "$tree/static/$program"
        mv "$folder/$program.new" "$folder/$program"
    fi
    echo "$folder/$program" >&3
done
