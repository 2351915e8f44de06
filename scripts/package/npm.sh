#!/usr/bin/env bash
# Makes the packages by which npx starts an origin proxy: one with a few lines of JavaScript, and one with the program
# for each kind of machine, of which npm installs the one that fits. Nothing runs at installation. scripts/package.sh
# calls it.
# usage: scripts/package.sh npm [--arch amd64|arm64]... [--programs FOLDER] [--output FOLDER]
#   --arch ARCH         for these machines; this one's own without it. What is not made is not installed either
#   --programs FOLDER   where origin-proxy is, without shared libraries; by default it is built
#   --output FOLDER     where the packages go, build/packages by default: origin-proxy-VERSION.tgz,
#                       origin-proxy-linux-x64-VERSION.tgz, origin-proxy-linux-arm64-VERSION.tgz
# npm publish takes them; those with a program first.
# shellcheck disable=SC2016 # $name in single quotes is jq's
set -euo pipefail
cd "$(dirname "$0")/../.."
umask 022

archs=() programs='' output=build/packages
while (($#)); do
    case $1 in
        -h | --help) sed -n '2,/^# shellcheck/{/^# shellcheck/d;s/^# \?//p}' "$0"; exit ;;
        --arch) archs+=("${2?}"); shift ;;
        --programs) programs=${2?}; shift ;;
        --output) output=${2?}; shift ;;
        *) echo "$0: unknown option $1, see --help" >&2; exit 2 ;;
    esac
    shift
done
((${#archs[@]})) || archs=("$(dpkg --print-architecture)")
[[ -z $programs || ${#archs[@]} == 1 ]] || { echo "$0: --programs has those of one machine" >&2; exit 2; }
for tool in npm jq; do
    command -v "$tool" >/dev/null || { echo "$0: $tool is not installed" >&2; exit 1; }
done
VERSION=${VERSION:-$(sed -n 's/^project(.* VERSION \([0-9.]*\) .*/\1/p' CMakeLists.txt)}
SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
export VERSION SOURCE_DATE_EPOCH

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$output"
output=$(realpath "$output")

# npm gives every file the same time, so that two runs make the same bytes.
pack() {
    (cd "$1" && npm pack --silent --pack-destination "$output" --cache "$work/cache" >/dev/null)
    echo "$output/$(basename "$1")-$VERSION.tgz"
}

main=$work/origin-proxy
cp -r packaging/npm/origin-proxy "$main"
cp LICENSE "$main"
change() {
    jq "${@:2}" "$1/package.json" >"$work/package.json"
    mv "$work/package.json" "$1/package.json"
}
change "$main" --arg version "$VERSION" '.version = $version'

for arch in "${archs[@]}"; do
    case $arch in
        amd64) cpu=x64 ;;
        arm64) cpu=arm64 ;;
        *) echo "$0: there is no package for $arch" >&2; exit 2 ;;
    esac
    folder=$programs
    if [[ -z $folder ]]; then
        scripts/package/static.sh "$arch" >/dev/null
        folder=build/packages/static/$arch
    fi
    name=origin-proxy-linux-$cpu
    install -D --mode 755 "$folder/origin-proxy" "$work/$name/bin/origin-proxy"
    cp LICENSE "$work/$name"
    # What is linked in, with what its licences ask to be passed on with it.
    mkdir "$work/$name/licenses"
    scripts/package/sbom.py "$arch" "$folder" "$work/$name/licenses" >"$work/$name/sbom.spdx.json"
    jq --null-input --arg name "$name" --arg version "$VERSION" --arg cpu "$cpu" '{
        name: $name, version: $version, description: "The program of origin-proxy for Linux on \($cpu)",
        license: "MIT", os: ["linux"], cpu: [$cpu], files: ["bin", "licenses", "sbom.spdx.json"],
        preferUnplugged: true}' >"$work/$name/package.json"
    echo "The program of the package origin-proxy, which runs it." >"$work/$name/README.md"
    pack "$work/$name"
    change "$main" --arg name "$name" --arg version "$VERSION" '.optionalDependencies[$name] = $version'
done
pack "$main"
