#!/usr/bin/env bash
# Installs what is missing, builds every preset and runs the tests of each, and the checks of the
# source, as one ctest run: its summary, the last lines, is the sum of everything. release has the end-to-end tests,
# sanitize all others, thread those with threads; the relay, which is made for speed, is tested in all three, what
# sanitizers cannot bear in release too, and clang-tidy is the second compiler.
# On Debian 12, as root, both programs are also built in a root of Debian 13, and the tests of pure code and of the
# relay run there.
# usage: scripts/test.sh [--quick | --portable]
#   --quick      for daily work: preset dev alone, no clang-tidy
#   --portable   what is done in another release's root: both programs and those tests, with the fewest packages
set -euo pipefail
cd "$(dirname "$0")/.."

presets=(release sanitize thread fuzz)
tested=(release/tests/{e2e,no_sanitizer,relay,bench} sanitize thread/tests/relay fuzz) # in build/
targets=(remote-proxy origin-proxy no_sanitizer relay fairness tunnel-bench tunnel-origins bench-unit) # of release; of others all
checks=(format includes headers tidy)
elsewhere=()
if ((EUID == 0)) && grep -qs '^VERSION_CODENAME=bookworm' /etc/os-release; then
    elsewhere=(trixie)
fi
# In a root of its own: apt installs the packages of this release, they run, and nothing of them stays.
try_packages() {
    mapfile -t packages < <(scripts/package.sh deb)
    apt-get -q -y install --no-install-recommends "${packages[@]/#/./}"
    remote-proxy --version && origin-proxy --version
    apt-get -q -y purge remote-proxy origin-proxy tunneled-reverse-proxy-doc
}
case ${1-} in
    -h | --help) sed -n '2,/^set/{s/^# \?//p}' "$0"; exit ;;
    --quick) presets=(dev) tested=(dev) checks=(format includes) elsewhere=() ;;
    --portable)
        scripts/install-dependencies.sh openssl
        cmake --preset release -DE2E_TRUST=
        cmake --build --preset release --target remote-proxy origin-proxy unit relay
        ! grep -qs '^ID=debian' /etc/os-release || try_packages
        exec ctest --test-dir build/release --output-on-failure --no-tests=error --tests-regex '^(unit|relay):' \
            --repeat until-pass:2 --parallel $((2 * $(nproc))) ;;
    '') ;;
    *) echo "$0: unknown option $1, see --help" >&2; exit 2 ;;
esac

scripts/install-dependencies.sh --test

# The sanitizers of g++ 12 cannot start where the kernel spreads addresses over more bits than this.
alone=()
if (($(cat /proc/sys/vm/mmap_rnd_bits) > 28)); then
    alone=(setarch "$(uname -m)" --addr-no-randomize)
fi

for preset in "${presets[@]}"; do
    cmake --preset "$preset"
    wanted=()
    [[ $preset != release ]] || wanted=(--target "${targets[@]}")
    "${alone[@]}" cmake --build --preset "$preset" "${wanted[@]}"
done

# The same objects once more, for the tests of packages.
[[ " ${presets[*]} " != *" release "* ]] || scripts/package/static.sh

# Before the rest, whose tests wait for deadlines. The root is kept: the next run starts from it.
for release in "${elsewhere[@]}"; do
    scripts/elsewhere.sh --keep "$release" scripts/test.sh --portable >"build/$release.log" 2>&1 ||
        { tail -n 100 "build/$release.log"; echo "$0: the above failed in $release" >&2; exit 1; }
done

# The file by which ctest finds tests, written by hand: CMake writes one for each build only.
mkdir -p build/all
{
    for check in "${checks[@]}"; do
        echo "add_test([[check: $check]] [[$PWD/scripts/check.sh]] $check)"
        echo "set_tests_properties([[check: $check]] PROPERTIES COST 1000 TIMEOUT 900 SKIP_RETURN_CODE 77)" # first, so that none waits for it
    done
    echo "add_test([[check: the demonstration]] [[$PWD/scripts/demo.sh]])"
    printf 'subdirs([[%s]])\n' "${tested[@]/#/$PWD/build/}"
} >build/all/CTestTestfile.cmake

# Most tests wait for most of their time. One that fails is run once more, since programs and peers share
# two cores with each other; its failure stays in the output, and its name is told above the summary.
name_second_tries='
/ Test +#[0-9]+: / {
    name = $0
    sub(/^.*Test +#[0-9]+: /, "", name)
    sub(/ *\.*( +|\*\*\*)(Passed|Failed|Timeout|Not Run|Skipped|Exception).*$/, "", name)
    if (/\*\*\*(Failed|Timeout|Exception)/) failed[name] = 1
    else if (/Passed/ && name in failed) again[name] = 1
}
/^[0-9]+% tests passed/ { for (name in again) print "passed at the second try only: " name }
{ print; fflush() }'
"${alone[@]}" ctest --test-dir build/all --output-on-failure --no-tests=error \
    --repeat until-pass:2 --parallel $((3 * $(nproc))) | awk "$name_second_tries"
