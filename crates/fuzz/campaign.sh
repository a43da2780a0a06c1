#!/bin/sh
# ./x fuzz TARGET [RUNS]  one target under libFuzzer, a million executions unless told otherwise
# ./x fuzz all [RUNS]     every target; a row for each goes to target/fuzz/campaigns.csv
# A campaign goes on from target/fuzz/TARGET, where it keeps what it finds. Inputs that break a
# target are written to target/fuzz/broken.
set -eu
cd "$(dirname "$0")/../.."
target="${1:?a target, or all, is needed}"
runs="${2:-1000000}"
# One exponential input must not stop the machine: seconds per input, MiB in all.
hang=10
memory=2048
# The selection of packages of every other build, so that dependencies are not compiled again.
RUSTC_WORKSPACE_WRAPPER="$PWD/crates/fuzz/instrument.sh" \
    cargo build --release --quiet --workspace --features edgeplan-fuzz/campaign --bin edgeplan-fuzz
mkdir -p target/fuzz/broken
csv=target/fuzz/campaigns.csv

# Names of all targets, as lib.rs has them.
targets() {
    sed -n 's/^ *name: "\(.*\)",$/\1/p' crates/fuzz/src/lib.rs
}

campaign() {
    found="target/fuzz/$1"
    log="target/fuzz/$1.log"
    mkdir -p "$found"
    [ ! -d "crates/fuzz/tests/corpus/$1" ] || cp crates/fuzz/tests/corpus/"$1"/* "$found"
    begin=$(date +%s)
    status=0
    EDGEPLAN_FUZZ_TARGET="$1" EDGEPLAN_FUZZ_SEEDS="$found" target/release/edgeplan-fuzz \
        -runs="$runs" -timeout="$hang" -rss_limit_mb="$memory" -max_len=8192 -print_final_stats=1 \
        -artifact_prefix="target/fuzz/broken/$1-" "$found" >"$log" 2>&1 || status=$?
    seconds=$(($(date +%s) - begin))
    figure() { sed -n "s/^stat::$1: *//p" "$log"; }
    coverage=$(sed -n 's/.* cov: \([0-9]*\) .*/\1/p' "$log" | tail -1)
    panics=$(grep -c 'deadly signal' "$log" || true)
    hangs=$(grep -c 'ALARM\|libFuzzer: timeout' "$log" || true)
    row="$1,$(figure number_of_executed_units),$seconds,$(figure peak_rss_mb),$coverage,$panics,$hangs"
    [ -e "$csv" ] || echo "target,executions,seconds,peak_memory_mib,edges,panics,hangs" >"$csv"
    echo "$row" >>"$csv"
    echo "$row"
    [ "$status" = 0 ] || { grep -m 3 'panicked at\|ERROR: libFuzzer' "$log" >&2; return 1; }
}

if [ "$target" = all ]; then
    broken=0
    for name in $(targets); do
        campaign "$name" || broken=1
    done
    exit $broken
fi
targets | grep -qx "$target" || { echo "no target $target; there are" $(targets) >&2; exit 2; }
campaign "$target"
