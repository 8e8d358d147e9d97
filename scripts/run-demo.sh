#!/usr/bin/env bash
# Runs the demo: config/demo.toml for ten seconds. `make run` calls this after installing packages and
# building. Arguments, if any, replace `config/demo.toml --duration 10s`.

# shellcheck source=scripts/lib.sh
source "$(dirname "$0")/lib.sh"

scripts/hugepages.sh reserve
arguments=("$@")
[[ $# -gt 0 ]] || arguments=(config/demo.toml --duration 10s)

# Root is for hugepages and for /run/curvnet.sock. The demo's devices are files: it works without.
if ! find_root; then
    say "neither root nor a usable sudo: running as $(id -un)"
    if [[ $# -eq 0 ]]; then
        socket=${XDG_RUNTIME_DIR:-$TARGET_DIR}/curvnet.sock
        sed "s|^# socket = .*|socket = \"$socket\"|" config/demo.toml >"$TARGET_DIR/demo.toml"
        arguments=("$TARGET_DIR/demo.toml" --duration 10s)
        say "its control socket is $socket"
    fi
fi
command=("$TARGET_DIR/release/curvnet" run "${arguments[@]}")
say "${command[*]}"
exec "${ROOT[@]}" "${command[@]}"
