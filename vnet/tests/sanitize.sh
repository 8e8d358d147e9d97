#!/bin/sh
# Runs tests under AddressSanitizer (with LeakSanitizer) and ThreadSanitizer, with the stable toolchain.
#
#   vnet/tests/sanitize.sh                            the tests of this crate, in the default arm
#   vnet/tests/sanitize.sh -p stack --test NAME       any other arguments of `cargo test`
#   ONLY=thread vnet/tests/sanitize.sh                one of the two: address or thread
#
# Exits with a status other than 0 if a sanitizer reports something or a test fails.
#
# * RUSTC_BOOTSTRAP=1: sanitizers are unstable options; this lets the stable compiler take them.
# * --target: without it, build scripts and procedural macros would be built with the sanitizer, too, and not run.
# * -Cunsafe-allow-abi-mismatch=sanitizer: the standard library of a stable toolchain is not instrumented, and there are
#   no sources to build one from. So ThreadSanitizer does not see what the library's own code orders, nor what a fence
#   orders, and reports too much; what the library's compiled code itself reads and writes it does not see. What the test
#   harness and threads do is suppressed below. A test of ours joins its threads by `join()` (the end of a scope alone is not seen), and only then drops what they shared.
# * DPDK's libraries are not instrumented either: their locks are not seen, but what they do through memcpy and free is.
# * Fences of our own are checked by loom (loom.rs).
set -u

cd "$(dirname "$0")/../.." || exit 2
if [ $# -eq 0 ]; then
    set -- -p vnet --features vimage --tests
fi

target=x86_64-unknown-linux-gnu
directory=${CARGO_TARGET_DIR:-target}/sanitize
mkdir -p "$directory" || exit 2
directory=$(cd "$directory" && pwd)

suppressions=$directory/tsan-suppressions
cat >"$suppressions" <<'EOF'
race:std::sync::mpmc::list::Channel
race:Arc<std::thread::thread::Inner
race:Arc<std::thread::lifecycle::Packet
race:Arc<std::sync::poison::mutex::Mutex<core::option::Option<test::run_test
race:std::sync::mpmc::waker
race:std::sync::mpmc::array::Channel
race:librte_
EOF

run() {
    sanitizer=$1
    flags=$2
    shift 2
    echo "== $sanitizer sanitizer"
    RUSTC_BOOTSTRAP=1 RUSTFLAGS="-Zsanitizer=$sanitizer $flags" CARGO_TARGET_DIR="$directory/$sanitizer" \
        cargo test --target "$target" "$@"
}

export RUST_TEST_THREADS=1
# A report ends the process with a status of its own, so a test that expects a panic cannot hide it.
export ASAN_OPTIONS="detect_leaks=1:exitcode=99"
export TSAN_OPTIONS="suppressions=$suppressions:exitcode=98:halt_on_error=0"

status=0
for sanitizer in ${ONLY:-address thread}; do
    case $sanitizer in
    address) run address "" "$@" || status=1 ;;
    thread) run thread "-Cunsafe-allow-abi-mismatch=sanitizer" "$@" || status=1 ;;
    *) echo "ONLY is address or thread, not $sanitizer" >&2; exit 2 ;;
    esac
done
exit $status
