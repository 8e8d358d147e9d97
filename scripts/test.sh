#!/usr/bin/env bash
# Everything that has to pass. CI runs this, and so does `make test`.
#
#     scripts/test.sh [STEP...]      all steps, or those whose names match (globs: 'clippy-*')
#     scripts/test.sh --list         the names
#
# The log of a step is target/test-logs/STEP.log. To add a step, add a line below; steps.sh beside this
# file says what the words mean.

# shellcheck source=scripts/lib.sh
source "$(dirname "$0")/lib.sh"
# shellcheck source=scripts/steps.sh
source scripts/steps.sh

case ${1:-} in
--list) LIST_ONLY=1 ;;
-h | --help) sed -n '2,8s/^# \{0,1\}//p' "$0" && exit ;;
-*) die "unknown option '$1'; see --help" ;;
*) SELECTED=("$@") ;;
esac

if [[ -z $LIST_ONLY ]]; then
    scripts/install-deps.sh build test
    mkdir -p "$LOGS"
    rm -f "$LOGS"/*.log
fi

# A build from nothing, and nobody will debug it there: less to write, less to link.
if [[ ${CI:-} == true ]]; then
    export CARGO_INCREMENTAL=0 CARGO_PROFILE_DEV_DEBUG=line-tables-only
fi

# The four builds of the same source, by the cargo arguments that choose them.
VIMAGE=()
NONE=(--no-default-features)
GLOBALS=(--no-default-features --features vimage-globals)
SECTION=(--no-default-features --features vimage-section)

# The crates that depend on the build; the others are the same in all four. The program itself is tested in one build with several
# vnets and in one with a single vnet.
ARM_CRATES=(-p vnet -p stack)

# nextest gives each test a process of its own and runs binaries side by side. It is taken where it is
# installed; cargo's own runner does as well.
if cargo nextest --version >/dev/null 2>&1; then
    # The output of tests that pass goes to the log as well: it says what they skipped. That of those that fail comes
    # last, where it is found.
    TEST=(cargo nextest run --no-fail-fast --success-output=immediate --failure-output=final)
    TEST_OPTIONS=()
else
    TEST=(cargo test --no-fail-fast --lib --bins --tests --examples)
    TEST_OPTIONS=(-- --show-output)
fi
CLIPPY=(cargo clippy --workspace --all-targets --keep-going)

# --- the sources -------------------------------------------------------------------------------------
step lockfile        cargo fetch --locked --target "$(rustc -vV | sed -n 's/^host: //p')"
step fmt             cargo fmt --all --check
step clippy-vimage   "${CLIPPY[@]}" "${VIMAGE[@]}" -- -D warnings
step clippy-none     "${CLIPPY[@]}" "${NONE[@]}" -- -D warnings
step clippy-globals  "${CLIPPY[@]}" "${GLOBALS[@]}" -- -D warnings
step clippy-section  "${CLIPPY[@]}" "${SECTION[@]}" -- -D warnings

# --- unit and property tests, in the four builds ------------------------------------------------------
step test-vimage     "${TEST[@]}" --workspace "${VIMAGE[@]}" "${TEST_OPTIONS[@]}"
step test-none       --other-builds "has one vnet" "${TEST[@]}" "${ARM_CRATES[@]}" -p curvnet "${NONE[@]}" "${TEST_OPTIONS[@]}"
step test-globals    --other-builds "has one vnet" "${TEST[@]}" "${ARM_CRATES[@]}" "${GLOBALS[@]}" "${TEST_OPTIONS[@]}"
step test-section    "${TEST[@]}" "${ARM_CRATES[@]}" "${SECTION[@]}" "${TEST_OPTIONS[@]}"
step doc-tests       cargo test --workspace --doc
step docs            RUSTDOCFLAGS=-Dwarnings cargo doc --workspace --no-deps --document-private-items --keep-going

# --- concurrency and memory: other compiler flags, so target directories of their own -------------------
step loom            --needs vnet/tests/loom.rs \
                     RUSTFLAGS="--cfg loom" CARGO_TARGET_DIR="$TARGET_DIR/loom" \
                     CARGO_PROFILE_RELEASE_LTO=off CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 \
                     cargo test -p vnet --release --test loom
# The script makes a directory for each sanitizer by itself.
step sanitize-vnet   --needs vnet/tests/sanitize.sh CARGO_TARGET_DIR="$TARGET_DIR" vnet/tests/sanitize.sh
step sanitize-pmd    --needs vnet/tests/sanitize.sh CARGO_TARGET_DIR="$TARGET_DIR" vnet/tests/sanitize.sh -p pmd --tests

# --- the corpus again, then a minute of new inputs -----------------------------------------------------
step fuzz            --needs fuzz/run.sh FUZZ_TARGET_DIR="$TARGET_DIR/fuzz" fuzz/run.sh

# --- the real program, with the kernel and scapy as its peers ------------------------------------------
step build           cargo build --release --bins
step end-to-end      --root --needs tests/e2e/run.py \
                     CURVNET="$TARGET_DIR/release/curvnet" PYTHONDONTWRITEBYTECODE=1 \
                     /usr/bin/python3 tests/e2e/run.py

# --- what is installed -----------------------------------------------------------------------------------
step package         --root --needs tests/package.sh RELEASE="$TARGET_DIR/release" tests/package.sh

finish
