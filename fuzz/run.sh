#!/usr/bin/env bash
# Replays the corpus of the input path, then fuzzes it with libFuzzer.
#
#     fuzz/run.sh [SECONDS]      60 by default; 0 replays only
#
# The stable toolchain will do: the coverage that libFuzzer reads is a pass of LLVM, asked for by codegen flags. What is
# found goes to fuzz/artifacts/; `fuzz/run.sh FILE...` replays single inputs.
set -euo pipefail
cd "$(dirname "$0")"

seconds=60
replay=()
if [[ $# -gt 0 && $1 =~ ^[0-9]+$ ]]; then
    seconds=$1
elif [[ $# -gt 0 ]]; then
    replay=("$@")
fi

target=${FUZZ_TARGET_DIR:-../target/fuzz}
flags=(
    --cfg fuzzing
    -Cpasses=sancov-module
    -Cllvm-args=-sanitizer-coverage-level=4
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters
    -Cllvm-args=-sanitizer-coverage-pc-table
    -Cllvm-args=-sanitizer-coverage-trace-compares
    -Ctarget-cpu=x86-64-v3
)
# Named, so that build scripts and macros do not get the flags.
triple=$(rustc -vV | sed -n 's/^host: //p')
RUSTFLAGS="${flags[*]}" CARGO_TARGET_DIR=$target cargo build --release --bin input --target "$triple"
fuzzer=$target/$triple/release/input
mkdir -p artifacts

on_failure() {
    echo "found: see fuzz/artifacts/; replay with fuzz/run.sh FILE" >&2
    ls -t artifacts | head -3 >&2
}
trap on_failure ERR

if [[ ${#replay[@]} -gt 0 ]]; then
    "$fuzzer" "${replay[@]}"
    exit
fi

inputs=(corpus/input/*)
echo "replaying ${#inputs[@]} inputs"
"$fuzzer" -artifact_prefix=artifacts/ "${inputs[@]}" >"$target/replay.log" 2>&1 ||
    { tail -40 "$target/replay.log" >&2; false; }
if ((seconds > 0)); then
    # New inputs go to a folder of their own; the corpus in the repository grows by hand (-merge=1).
    mkdir -p "$target/found"
    "$fuzzer" -artifact_prefix=artifacts/ -max_total_time="$seconds" -max_len=1500 -timeout=20 -rss_limit_mb=4096 \
        -print_final_stats=1 "$target/found" corpus/input
fi
