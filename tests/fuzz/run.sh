#!/usr/bin/env bash
# Runs one fuzz target of build/fuzz: over its seeds and what earlier runs kept, then on new inputs.
# One line tells what came of it; a crash is told at length, and met again by every run until it is mended.
# usage: tests/fuzz/run.sh TARGET SECONDS
set -euo pipefail
cd "$(dirname "$0")/../.."

case ${1-} in
    -h | --help) sed -n '2,/^set/{s/^# \?//p}' "$0"; exit ;;
esac
target=$1 seconds=$2
program=build/fuzz/tests/fuzz/${target}_fuzz
kept=build/fuzz/kept/$target crashes=build/fuzz/crashes/$target log=build/fuzz/$target.log
mkdir -p "$kept" "$crashes"

arguments=(-max_total_time="$seconds" -timeout=10 -print_final_stats=1 -artifact_prefix="$crashes/")
[[ ! -e tests/fuzz/$target.dict ]] || arguments+=(-dict="tests/fuzz/$target.dict")

# The sanitizers of clang 14 cannot start where the kernel spreads addresses over more bits than this.
alone=()
if (($(cat /proc/sys/vm/mmap_rnd_bits) > 28)); then
    alone=(setarch "$(uname -m)" --addr-no-randomize)
fi

# Niced, since the tests beside it wait for deadlines, and this one for none.
status=0
nice "${alone[@]}" "$program" "${arguments[@]}" "$kept" "tests/fuzz/corpus/$target" "$crashes" \
    >"$log" 2>&1 || status=$?

last() { { grep -oP "$1" "$log" || echo 0; } | tail -n 1; }
printf '%-18s %10s executions %8s/s %6s edges %2s crashes\n' "$target" \
    "$(last 'number_of_executed_units: *\K\d+')" "$(last 'average_exec_per_sec: *\K\d+')" \
    "$(last 'cov: \K\d+')" "$((status != 0))"
((status)) || exit 0

grep -vE '^#[0-9]+|^INFO' "$log" | tail -n 60
crash=$(last 'Test unit written to \K.*')
cat <<END
found:  $crash
replay: $program $crash
It becomes a seed, tests/fuzz/corpus/$target/NAME, and a test in tests/unit.
END
exit 1
