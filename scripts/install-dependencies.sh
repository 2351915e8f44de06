#!/usr/bin/env bash
# Installs missing Debian packages; if none is missing, it needs neither network nor root.
# The servers for the tests (PostgreSQL, nginx, sshd ...) are installed, but not started, not at boot either.
# usage: scripts/install-dependencies.sh [--test] [PACKAGE...]
#   (nothing)   what building the two programs needs
#   --test      also what their tests need
#   PACKAGE...  also these
set -euo pipefail
cd "$(dirname "$0")/.."

build=(g++ cmake ninja-build pkg-config libasio-dev libfmt-dev libcli11-dev nlohmann-json3-dev libssl-dev
    libtomlplusplus-dev doctest-dev libseccomp-dev libcap-ng-dev
    libcrypt-dev libboost-dev prometheus-cpp-dev)
checks=(clang libclang-rt-dev)
# The sources are formatted and checked by version 14: others give other results.
! grep -qs '^VERSION_CODENAME=bookworm' /etc/os-release || checks+=(clang-format-14 clang-tidy-14)

wanted=("${build[@]}")
for argument in "$@"; do
    case $argument in
        -h | --help) sed -n '2,/^set/{s/^# \?//p}' "$0"; exit ;;
        --test)
            mapfile -t end_to_end < <(grep -vE '^(#|$)' tests/e2e/packages.txt)
            wanted+=("${checks[@]}" "${end_to_end[@]}") ;;
        -*) echo "$0: unknown option $argument, see --help" >&2; exit 2 ;;
        *) wanted+=("$argument") ;;
    esac
done

if ! command -v dpkg-query apt-get >/dev/null; then
    cat >&2 <<END
$0: this is no Debian, so please install what these Debian packages hold:
  ${wanted[*]}
(https://packages.debian.org/bookworm tells what each of them is), then build by hand:
  cmake --preset release && cmake --build --preset release
END
    exit 1
fi

missing=()
for package in "${wanted[@]}"; do
    status=$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)
    [[ $status == installed ]] || missing+=("$package")
done
((${#missing[@]})) || exit 0
echo "installing ${missing[*]}"

as_root() {
    if ((EUID == 0)); then "$@"; else sudo "$@"; fi
}
((EUID == 0)) || command -v sudo >/dev/null || {
    echo "$0: run this as root (there is no sudo): apt-get install ${missing[*]}" >&2
    exit 1
}

# Debian's way to keep a package from starting its service; an existing file is kept.
policy=/usr/sbin/policy-rc.d
if [[ ! -e $policy ]]; then
    trap 'as_root rm -f "$policy"' EXIT
    printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
    as_root chmod 755 "$policy"
fi
started_at_boot() {
    { find /etc/systemd/system/*.wants -maxdepth 1 -name '*.service' -printf '%f\n' 2>/dev/null || true; } | sort -u
}
before=$(started_at_boot)

# On a freshly booted machine another apt may hold the lock for a while.
apt=(env DEBIAN_FRONTEND=noninteractive apt-get -q -y -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3)
as_root "${apt[@]}" update
as_root "${apt[@]}" install --no-install-recommends "${missing[@]}"

mapfile -t services < <(comm -13 <(echo "$before") <(started_at_boot))
if ((${#services[@]})) && command -v systemctl >/dev/null; then
    as_root systemctl --quiet disable "${services[@]}"
fi
