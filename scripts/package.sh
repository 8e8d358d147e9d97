#!/usr/bin/env bash
# Builds a Debian package: what `make install` installs, by cargo-deb, with the metadata of Cargo.toml.
#
#     scripts/package.sh      the package's path is the last line of standard output
#
# cargo-deb is taken where it is installed, and is otherwise built into target/tools.

# shellcheck source=scripts/lib.sh
source "$(dirname "$0")/lib.sh"

TREE=target/deb/tree
TOOLS=$PWD/target/tools

scripts/install-deps.sh build package
PATH=$PATH:$TOOLS/bin
if ! command -v cargo-deb >/dev/null; then
    say "building cargo-deb, once"
    cargo install --quiet --locked --root "$TOOLS" cargo-deb@3.8.0 >&2
fi

rm -rf "$TREE"
mkdir -p target/deb
make --no-print-directory install DESTDIR="$TREE" PREFIX=/usr SYSCONFDIR=/etc \
    ZSHDIR=/usr/share/zsh/vendor-completions ${RELEASE:+RELEASE="$RELEASE"} >&2
strip --strip-unneeded "$TREE"/usr/bin/*
cargo deb --quiet --no-build --output target/deb/
