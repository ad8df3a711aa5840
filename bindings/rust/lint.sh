#!/usr/bin/env bash
# The Rust formatter's and Clippy's word on the crates, the examples and the scenario.
#
#   bindings/rust/lint.sh <dist-dir> <target-dir>
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
dist=$(cd "$1" && pwd)
mkdir -p "$2"
export CARGO_TARGET_DIR=$(cd "$2" && pwd) CARGO_NET_OFFLINE=true NNKIT_LIB_DIR=$dist/lib
cargo=${CARGO:-cargo}
for package in "$here" "$here/../../examples/rust" "$here/../../Tests/scenario/rust"; do
  cd "$package"
  "$cargo" fmt --all --check
  dlopen=$([ "$package" = "$here" ] && echo nnkit/dlopen || echo dlopen)
  "$cargo" clippy --quiet --locked --all-targets -- -D warnings
  "$cargo" clippy --quiet --locked --all-targets --features "$dlopen" -- -D warnings
done
cd "$here"
RUSTDOCFLAGS="-D warnings" "$cargo" doc --quiet --locked --no-deps
