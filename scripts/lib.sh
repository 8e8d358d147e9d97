# shellcheck shell=bash disable=SC2034
# What the scripts share. Sourced, never run: it leaves the caller in the repository's root.

set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."

# Where cargo puts what it builds; absolute, for commands that change the directory.
TARGET_DIR=$(realpath -m "${CARGO_TARGET_DIR:-target}")

# A line of our own, told apart from the tools' output. On standard error, so that standard output
# stays what the program printed.
say() { printf '%s\n' "-- $*" >&2; }

die() {
    printf '%s\n' "error: $*" >&2
    exit 1
}

# The command prefix that makes a command run as root: nothing when we are root, sudo when it works.
# Sudo may ask for a password only where somebody can type one.
ROOT=()
find_root() {
    if [[ $(id -u) == 0 ]]; then
        ROOT=()
    elif ! command -v sudo >/dev/null; then
        return 1
    elif sudo -n true 2>/dev/null; then
        ROOT=(sudo -n)
    elif [[ -t 0 && -t 2 && ${CI:-} != true ]]; then
        say "the next step needs root; sudo may ask for your password"
        sudo -v || return 1
        ROOT=(sudo)
    else
        return 1
    fi
}
