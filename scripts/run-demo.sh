#!/usr/bin/env bash
# Runs the demo: config/demo.toml for ten seconds. `make run` calls this after installing packages and
# building. Arguments, if any, replace `config/demo.toml --duration 10s`.

# shellcheck source=scripts/lib.sh
source "$(dirname "$0")/lib.sh"

scripts/hugepages.sh reserve
arguments=("$@")
[[ $# -gt 0 ]] || arguments=(config/demo.toml --duration 10s)

# Root is for hugepages and for /run/curvnet.sock. The demo's devices are files: it works without.
find_root || say "neither root nor a usable sudo: running as $(id -un)"
command=("$TARGET_DIR/release/curvnet" run "${arguments[@]}")
say "${command[*]}"
exec "${ROOT[@]}" "${command[@]}"
