#!/usr/bin/env bash
# Packs both programs for any Linux of an architecture; scripts/package.sh calls it.
# usage: scripts/package.sh tar [--arch amd64|arm64]
# Beside the archive lie its SBOM (SPDX) and the sums of both.
set -euo pipefail
cd "$(dirname "$0")/../.."
umask 022

own=$(dpkg --print-architecture)
arch=$own
case ${1-} in
    '') ;;
    --arch) arch=${2-} ;;
    *) echo "$0: unknown option $1, see scripts/package.sh --help" >&2; exit 2 ;;
esac
scripts/package/static.sh "$arch" >/dev/null
case $arch in
    amd64) machine=x86_64 ;;
    arm64) machine=aarch64 ;;
    *) machine=$arch ;;
esac
emulator=()
if [[ $arch != "$own" ]]; then
    scripts/install-dependencies.sh qemu-user-static >/dev/null
    emulator=("qemu-$machine-static")
fi

programs=build/packages/static/$arch
name=tunneled-reverse-proxy-$VERSION-linux-$machine
work=build/packages/tar/$name
rm -rf "$work"
mkdir -p "$work"/{bin,docs,licenses}
install "$programs"/{remote-proxy,origin-proxy} "$work/bin"
cp LICENSE README.md CHANGELOG.md SECURITY.md "$work"
cp -r docs/*.md docs/*.yaml docs/examples "$work/docs"
cp -r packaging/{systemd,logrotate,tmpfiles} "$work"
mkdir "$work/sysusers"
for program in remote-proxy origin-proxy; do
    install -D "packaging/etc/$program.toml" "$work/etc/$program/$program.toml"
    cp "packaging/debian/$program.sysusers" "$work/sysusers/$program.conf"
done

for program in remote-proxy origin-proxy; do
    scripts/package/from-program.sh "$work/share" "$program" "${emulator[@]}" "$work/bin/$program"
done

# What is linked in, with what its licences ask to be shipped with it.
scripts/package/sbom.py "$arch" "$programs" "$work/licenses" >"build/packages/$name.spdx.json"

find "$work" -type d -exec chmod 755 {} + -o -type f ! -perm /111 -exec chmod 644 {} + -o -exec chmod 755 {} +
tar --create --format=ustar --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$SOURCE_DATE_EPOCH" \
    --directory build/packages/tar "$name" | gzip -n -9 >"build/packages/$name.tar.gz"
cd build/packages
sha256sum "$name.tar.gz" "$name.spdx.json" >"$name.sha256"
printf 'build/packages/%s\n' "$name".{tar.gz,spdx.json,sha256}
