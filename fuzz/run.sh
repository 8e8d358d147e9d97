#!/usr/bin/env bash
# Replays the corpus of the input path and that of requests, then fuzzes both with libFuzzer.
#
#     fuzz/run.sh [SECONDS]      60 by default, and a fourth of it for requests; 0 replays only
#
# The stable toolchain will do: the coverage that libFuzzer reads is a pass of LLVM, asked for by codegen flags. What is
# found goes to fuzz/artifacts/TARGET/; `fuzz/run.sh TARGET FILE...` replays single inputs.
#
# The seed is fixed, so that the same program, without what earlier runs found, meets the same inputs;
# `SEED=$RANDOM fuzz/run.sh 3600` looks for others.
set -Eeuo pipefail
cd "$(dirname "$0")"

seconds=60
replay=()
if [[ $# -gt 0 && $1 =~ ^[0-9]+$ ]]; then
    seconds=$1
elif [[ $# -gt 1 ]]; then
    replay=("$@")
elif [[ $# -eq 1 ]]; then
    echo "usage: fuzz/run.sh [SECONDS], or fuzz/run.sh TARGET FILE..." >&2
    exit 2
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
RUSTFLAGS="${flags[*]}" CARGO_TARGET_DIR=$target cargo build --locked --release --bins --target "$triple"
fuzzers=$target/$triple/release

on_failure() {
    echo "found: see fuzz/artifacts/; replay with fuzz/run.sh TARGET FILE" >&2
    find artifacts -type f -mmin -60 >&2
}
trap on_failure ERR

if [[ ${#replay[@]} -gt 0 ]]; then
    "$fuzzers/${replay[0]}" "${replay[@]:1}"
    exit
fi

fuzz() { # NAME SECONDS OPTION...
    local name=$1 seconds=$2 inputs=("corpus/$1"/*)
    shift 2
    mkdir -p "artifacts/$name"
    echo "$name: replaying ${#inputs[@]} inputs"
    "$fuzzers/$name" -artifact_prefix="artifacts/$name/" "${inputs[@]}" >"$target/replay.log" 2>&1 ||
        { tail -40 "$target/replay.log" >&2; false; }
    ((seconds > 0)) || return 0
    # New inputs go to a folder of their own; the corpus in the repository grows by hand (-merge=1).
    mkdir -p "$target/found/$name"
    "$fuzzers/$name" -artifact_prefix="artifacts/$name/" -max_total_time="$seconds" -seed="${SEED:-1}" -timeout=60 \
        -rss_limit_mb=4096 -print_final_stats=1 "$@" "$target/found/$name" "corpus/$name"
}

fuzz input "$seconds" -max_len=1500
fuzz request "$((seconds / 4))" -max_len=4096 -dict=request.dict
