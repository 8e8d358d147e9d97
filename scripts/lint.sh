#!/usr/bin/env bash
# What a reviewer would say first: formatting, clippy in all four builds, the shell scripts, the
# dependencies. Stops at the first complaint.

# shellcheck source=scripts/lib.sh
source "$(dirname "$0")/lib.sh"

cargo fmt --all --check
for arm in "" "--no-default-features" \
    "--no-default-features --features vimage-globals" "--no-default-features --features vimage-section"; do
    say "clippy ${arm:-(default features)}"
    # shellcheck disable=SC2086  # words on purpose
    cargo clippy --quiet --workspace --all-targets $arm -- -D warnings
done

mapfile -t scripts < <(git ls-files '*.sh' .ci/run)
if command -v shellcheck >/dev/null; then
    say "shellcheck"
    shellcheck -x --severity=warning "${scripts[@]}"
else
    say "shellcheck is not installed, shell scripts were not looked at: apt-get install shellcheck"
fi

mapfile -t scripts < <(git ls-files '*.py')
if [[ ${#scripts[@]} -gt 0 ]]; then
    say "python syntax"
    /usr/bin/python3 - "${scripts[@]}" <<'PYTHON'
import ast, pathlib, sys
for name in sys.argv[1:]:
    ast.parse(pathlib.Path(name).read_text(), name)
PYTHON
fi

if command -v cargo-deny >/dev/null; then
    say "cargo deny: licenses, bans, sources"
    cargo deny --log-level error check licenses bans sources
    say "cargo deny: advisories (asks the network for the database)"
    cargo deny --log-level error check advisories
else
    say "cargo-deny is not installed, dependencies were not looked at: cargo install --locked cargo-deny"
fi
say "nothing to complain about"
