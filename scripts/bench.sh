#!/usr/bin/env bash
# The comparison with dpdk-testpmd, then what a vnet costs. `make bench` calls this after building.
# Arguments go to bench/compare-testpmd.py.

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
