#!/usr/bin/env bash
# All that `make bench` measures, after building:
#
#   testpmd   the comparison with dpdk-testpmd                                bench/compare-testpmd.py
#   ratios    interleaved VLANs, next hops, workers ... in proportion         bench/ratios.py
#   lookup    the FIB's bulk lookup beside rte_fib's                          curvnet-bench lookup
#   vnet      what a vnet costs                                               curvnet-bench vnet
#   builds    the four builds of curvnet against each other                   curvnet-bench compare
#
# Without arguments all of it. `--part NAME` first measures that part alone, with the arguments that follow; arguments
# without it go to bench/compare-testpmd.py. Those in COMPARE_ARGS always go to `curvnet-bench compare`.

# shellcheck source=scripts/lib.sh
source "$(dirname "$0")/lib.sh"

scripts/hugepages.sh reserve
find_root || say "neither root nor a usable sudo: running as $(id -un)"

program=$TARGET_DIR/release/curvnet-bench
part_args=() testpmd_args=()
parts=(ratios testpmd lookup vnet builds)
if [[ ${1-} == --part ]]; then
    [[ $# -ge 2 ]] || die "--part needs a name: testpmd, ratios, lookup, vnet or builds"
    parts=("$2")
    shift 2
    part_args=("$@")
else
    testpmd_args=("$@")
fi

run_python() {
    "${ROOT[@]}" env CARGO_TARGET_DIR="$TARGET_DIR" /usr/bin/python3 "$@"
}

builds() {
    # The four accessor arms, in brief. The caller builds; root measures, for its hugepages.
    local compare_args compare
    read -ra compare_args <<<"${COMPARE_ARGS:-}"
    compare=(env "CARGO_TARGET_DIR=$TARGET_DIR" "$program" compare --short
        "${compare_args[@]}" "${part_args[@]}")
    say "curvnet's four builds; the first time, this builds each of them"
    "${compare[@]}" --build-only
    "${ROOT[@]}" "${compare[@]}" --no-build \
        --json "$TARGET_DIR/bench/compare.json" --html "$TARGET_DIR/bench/compare.html"
    say "with plots: $TARGET_DIR/bench/compare.html; everything: $TARGET_DIR/bench/compare.json"
}

for part in "${parts[@]}"; do
    case $part in
    testpmd) run_python bench/compare-testpmd.py "${testpmd_args[@]}" "${part_args[@]}" ;;
    ratios) run_python bench/ratios.py "${part_args[@]}" ;;
    lookup | vnet) "${ROOT[@]}" "$program" "$part" "${part_args[@]}" ;;
    builds) builds ;;
    *) die "--part $part: there are testpmd, ratios, lookup, vnet and builds" ;;
    esac
    echo
done
