#!/usr/bin/env bash
# Tests the Rust crates and examples against a built library, linked and by dlopen.
#
#   bindings/rust/test.sh <dist-dir> <target-dir>
#
# <dist-dir> holds lib/libnnkit.so and lib/pkgconfig/nnkit.pc; Cargo builds in <target-dir>. Needs no network.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
if [ $# != 2 ] || [ ! -f "$1/lib/libnnkit.so" ]; then
  echo "usage: $0 <dist-dir> <target-dir>; <dist-dir>/lib/libnnkit.so must be there (make lib)" >&2
  exit 2
fi
dist=$(cd "$1" && pwd)
mkdir -p "$2"
export CARGO_TARGET_DIR=$(cd "$2" && pwd) CARGO_NET_OFFLINE=true
cargo=${CARGO:-cargo}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$cargo" --version

python3 "$here/generator" --check --library "$dist/lib/libnnkit.so"

# What the build script says where there is no library, and that pkg-config is enough.
cd "$here"
if env -u NNKIT_LIB_DIR PKG_CONFIG_PATH="$work" PKG_CONFIG_LIBDIR="$work" \
  "$cargo" check --quiet --locked -p nnkit-sys 2>"$work/errors"; then
  echo "nnkit-sys was built without a library" >&2
  exit 1
fi
grep -q "Set NNKIT_LIB_DIR to the folder that holds it" "$work/errors" || { cat "$work/errors" >&2 && exit 1; }
env -u NNKIT_LIB_DIR PKG_CONFIG_PATH="$dist/lib/pkgconfig" "$cargo" check --quiet --locked -p nnkit-sys

linked() { NNKIT_LIB_DIR=$dist/lib LD_LIBRARY_PATH=$dist/lib "$@"; }
loaded() { env -u NNKIT_LIB_DIR NNKIT_LIBRARY="$dist/lib/libnnkit.so" "$@"; }

echo "Rust tests, linked"
linked "$cargo" test --quiet --locked
echo "Rust tests, by dlopen"
loaded "$cargo" test --quiet --locked --features nnkit/dlopen

# The examples. The model that train makes is, byte for byte, that of the C example.
cd "$root/examples/rust"
for program in train run; do
  ${CC:-cc} -O1 -I"$dist/include" "$root/examples/c/$program.c" -o "$work/$program" \
    -L"$dist/lib" -Wl,-rpath,"$dist/lib" -lnnkit -lm
done
(cd "$work" && ./train c.nnkit >/dev/null && ./run c.nnkit >c.txt)
for way in linked loaded; do
  features=()
  [ $way = loaded ] && features=(--features dlopen)
  example() { $way "$cargo" run --quiet --locked --release "${features[@]}" --bin "$@"; }
  example train -- "$work/$way.nnkit" >/dev/null
  example run -- "$work/$way.nnkit" >"$work/$way.txt"
  cmp "$work/c.nnkit" "$work/$way.nnkit"
  diff "$work/c.txt" "$work/$way.txt"
  example forecast >"$work/forecast.txt"
  grep -q "step by step: the same numbers" "$work/forecast.txt"
  echo "examples, $way: the bytes of the C example; $(tail -n 1 "$work/$way.txt"); $(tail -n 1 "$work/forecast.txt")"
done
# The path of the library as an argument, and nothing in the environment.
"$cargo" run --quiet --locked --release --features dlopen --bin run -- "$work/c.nnkit" "$dist/lib/libnnkit.so" |
  diff "$work/c.txt" -
