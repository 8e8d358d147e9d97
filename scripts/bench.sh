#!/usr/bin/env bash
# The comparison with dpdk-testpmd, what a vnet costs, then the four builds of curvnet against each other. `make bench`
# calls this after building. Arguments go to bench/compare-testpmd.py, those in COMPARE_ARGS to `curvnet-bench compare`.

# shellcheck source=scripts/lib.sh
source "$(dirname "$0")/lib.sh"

scripts/hugepages.sh reserve
find_root || say "neither root nor a usable sudo: running as $(id -un)"

"${ROOT[@]}" env CARGO_TARGET_DIR="$TARGET_DIR" /usr/bin/python3 bench/compare-testpmd.py "$@"

# Create time and idle memory of a vnet.
program=$TARGET_DIR/release/curvnet-bench
if "$program" --help 2>/dev/null | grep -q '^ *vnet\b'; then
    echo
    "${ROOT[@]}" "$program" vnet
fi

# The four accessor arms, in brief. Whoever we are builds; root measures, for its hugepages.
read -ra compare_args <<<"${COMPARE_ARGS:-}"
compare=(env "CARGO_TARGET_DIR=$TARGET_DIR" "$program" compare --short "${compare_args[@]}")
echo
say "curvnet's four builds; the first time, this builds each of them"
"${compare[@]}" --build-only
"${ROOT[@]}" "${compare[@]}" --no-build \
    --json "$TARGET_DIR/bench/compare.json" --html "$TARGET_DIR/bench/compare.html"
say "with plots: $TARGET_DIR/bench/compare.html; everything: $TARGET_DIR/bench/compare.json"
