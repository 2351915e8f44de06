#!/usr/bin/env bash
# Packs the programs of build/release for this release of Debian; scripts/package.sh calls it.
# usage: scripts/package.sh deb
set -euo pipefail
cd "$(dirname "$0")/../.."
umask 022

case ${1-} in
    '') ;;
    *) echo "$0: unknown option $1, see scripts/package.sh --help" >&2; exit 2 ;;
esac
release=$(sed -n 's/^VERSION_ID="\?\([0-9.]*\).*/\1/p' /etc/os-release)
distribution=$(sed -n 's/^ID=//p' /etc/os-release)
[[ -e /etc/debian_version ]] || { echo "$0: a .deb is made on Debian" >&2; exit 1; }
log=build/deb.log
exec 3>&1 >"$log" 2>&1
trap '(($? == 0)) || { tail -n 40 "$log" >&3; echo "$0: the above failed" >&3; }' EXIT

scripts/install-dependencies.sh debhelper dpkg-dev fakeroot
# A build that is there already is not configured again: its tests may be running.
[[ -e build/release/build.ninja ]] || cmake --preset release
cmake --build --preset release --target remote-proxy origin-proxy

# debhelper wants to see a source package; the programs are in it already.
work=build/packages/deb/source
rm -rf "${work%/*}"
mkdir -p "$work"/{bin,etc}
cp build/release/{remote-proxy/remote-proxy,origin-proxy/origin-proxy} "$work/bin"
cp -r packaging/debian README.md SECURITY.md CHANGELOG.md docs "$work"
for program in remote-proxy origin-proxy; do
    install -D --mode 644 "packaging/etc/$program.toml" "$work/etc/$program/$program.toml"
    cp "packaging/logrotate/$program" "$work/debian/$program.logrotate"
    cp "packaging/tmpfiles/$program.conf" "$work/debian/$program.tmpfiles"
    for unit in packaging/systemd/"$program".{service,socket}; do
        [[ ! -e $unit ]] || cp "$unit" "$work/debian"
    done
    scripts/package/from-program.sh "$work/share" "$program" "$work/bin/$program"
    # Each in the package of its program, if it says any of this.
    for place in man/man1 man/man5 bash-completion/completions zsh/vendor-completions fish/vendor_completions.d; do
        for file in "$work/share/$place/"*"$program"*; do
            [[ ! -e $file ]] || echo "share/$place/${file##*/} usr/share/$place" >>"$work/debian/$program.install"
        done
    done
done

# Newer than the same version for an older release, so that an upgrade of the system upgrades it too.
version=$VERSION-1+${distribution:0:3}$release
cat >"$work/debian/changelog" <<END
tunneled-reverse-proxy ($version) unstable; urgency=medium

  * Version $VERSION; changelog.gz beside this file tells what is new.

 -- the tunneled-reverse-proxy authors <packages@tunneled-reverse-proxy.example>  $(date --utc --rfc-email --date="@$SOURCE_DATE_EPOCH")
END
(cd "$work" && DEB_BUILD_OPTIONS=nocheck dpkg-buildpackage --build=binary --no-sign --no-check-builddeps)
for package in "${work%/*}"/*.deb; do
    mv "$package" build/packages
    echo "build/packages/${package##*/}" >&3
done
