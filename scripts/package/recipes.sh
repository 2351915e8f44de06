#!/usr/bin/env bash
# Fills in the Homebrew formula and the AUR recipe, with the sums of the archives that `scripts/package.sh tar` makes.
# usage: scripts/package/recipes.sh URL [FOLDER]
#   URL      the folder of the archives, as those find it who install them
#   FOLDER   where the archives are, and where homebrew/ and aur/ go: build/packages
# An archive that is not there gets no sum: a recipe for that machine cannot be installed.
set -euo pipefail
cd "$(dirname "$0")/../.."

case ${1-} in
    -h | --help) sed -n '2,/^set/{s/^# \?//p}' "$0"; exit ;;
    '' | -*) echo "$0: where are the archives? See --help" >&2; exit 2 ;;
esac
url=${1%/} folder=${2:-build/packages}
version=${VERSION:-$(sed -n 's/^project(.* VERSION \([0-9.]*\) .*/\1/p' CMakeLists.txt)}

changes=(-e "s|@URL@|$url|g" -e "s|@VERSION@|$version|g")
for machine in x86_64 aarch64; do
    archive=$folder/tunneled-reverse-proxy-$version-linux-$machine.tar.gz
    sum=none
    [[ ! -e $archive ]] || sum=$(sha256sum <"$archive" | cut -d ' ' -f 1)
    changes+=(-e "s|@SUM_$machine@|$sum|g")
done
for recipe in homebrew/tunneled-reverse-proxy.rb aur/PKGBUILD aur/.SRCINFO; do
    mkdir -p "$folder/${recipe%/*}"
    sed "${changes[@]}" "packaging/$recipe" >"$folder/$recipe"
    echo "$folder/$recipe"
done
