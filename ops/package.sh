#!/usr/bin/env bash
# package.sh: builds the Debian package of the service, for the release and the architecture of this machine, and prints
# its file. The programs are built, unless --built says that they are.
set -euo pipefail
cd "$(dirname "$0")/.."

case "${1-}" in
    '') cargo build --release --locked --bins \
            --package ingest --package dispatcher --package connect --package ops >&2 ;;
    --built) ;;
    *) echo "usage: ops/package.sh [--built]" >&2; exit 2 ;;
esac

version=3.8.0
tools=target/tools
if [ "$("$tools/bin/cargo-deb" --version 2> /dev/null)" != "$version" ]; then
    cargo install --quiet --locked --root "$tools" "cargo-deb@$version" >&2
fi

# What is made from the programs' own `--help`. ops/Cargo.toml names it below target/release, wherever that is.
release="${CARGO_TARGET_DIR-target}/release"
made="$release/package"
rm -rf "$made"
mkdir -p "$made/completions"
"$release/ops" man "$made/man1" >&2
for shell in bash zsh fish; do
    "$release/ops" completions "$shell" > "$made/completions/$shell"
done
mkdir -p target/debian
# Fast, because the package is built where it is installed, and need not be small.
realpath "$("$tools/bin/cargo-deb" --package ops --no-build --strip --fast --quiet --output target/debian)"
