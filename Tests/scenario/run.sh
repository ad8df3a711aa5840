#!/usr/bin/env bash
# One scenario in every language, at every instruction-set level: each prints the same, line by line.
#
#   Tests/scenario/run.sh <dist-dir> <target-dir> <python> <swift program>
#
# <dist-dir> holds lib/libnnkit.so and include/nnkit.h; Cargo builds in <target-dir>; <python> is one that can import
# nnkit, or with NumPy alone: then the package is that of the source; <swift program> is the built product `scenario`.
# The exit status is 1 where a program fails or prints something else than the C program that was linked: then the first
# line that differs is shown. scenario.c says what the scenario is.
set -euo pipefail
if [ $# -ne 4 ] || [ ! -f "$1/lib/libnnkit.so" ]; then
  echo "usage: $0 <dist-dir> <target-dir> <python> <swift program>; make lib makes <dist-dir>" >&2
  exit 2
fi
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
dist=$(cd "$1" && pwd)
mkdir -p "$2"
target=$(cd "$2" && pwd)
python=$(command -v "$3")
swift=$(realpath "$4")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export CARGO_NET_OFFLINE=true NNKIT_LIBRARY=$dist/lib/libnnkit.so LD_LIBRARY_PATH=$dist/lib
export PYTHONPATH=$root/bindings/python/src

cc=(${CC:-cc} -std=c99 -D_GNU_SOURCE -Wall -Wextra -Werror -O1 "-I$dist/include" "$here/scenario.c")
"${cc[@]}" -DNNKIT_LINKED -o "$work/c" -L"$dist/lib" -lnnkit
"${cc[@]}" -o "$work/c-dlopen" -ldl
# Cargo gives both the same name: each has a folder of its own, and what is built already is not built again.
rust() { (cd "$here/rust" && CARGO_TARGET_DIR=$target/$1 "${CARGO:-cargo}" build --quiet --locked "${@:2}"); }
NNKIT_LIB_DIR=$dist/lib rust scenario
rust scenario-dlopen --features dlopen

names=("C" "C by dlopen" "Python" "Rust" "Rust by dlopen" "Swift")
programs=("$work/c" "$work/c-dlopen" "$here/scenario.py" "$target/scenario/debug/scenario"
  "$target/scenario-dlopen/debug/scenario" "$swift")
for program in "$work/c" "$target/scenario/debug/scenario"; do
  readelf -d "$program" | grep -q 'NEEDED.*libnnkit' || { echo "$program is not linked" >&2 && exit 1; }
done

lines="losses step forward parameters run stream file"
failed=0
for level in $("$root/Tests/levels.sh"); do
  same=0
  for i in "${!programs[@]}"; do
    name=${names[$i]}
    interpreter=()
    [ "$name" = Python ] && interpreter=("$python")
    if ! NNKIT_ISA=$level "${interpreter[@]}" "${programs[$i]}" "$work/$i.nnkit" >"$work/$i.txt" 2>"$work/errors"; then
      echo "FAIL $name at $level ended with an error:"
      head -n 20 "$work/errors"
    elif [ "$(cut -d' ' -f1 "$work/$i.txt" | paste -sd' ')" != "$lines" ]; then
      echo "FAIL $name at $level does not print one line each of: $lines"
    elif ! difference=$(diff "$work/0.txt" "$work/$i.txt"); then
      echo "FAIL $name at $level differs first in this line, which C prints as the first of the two:"
      grep -m 1 '^<' <<<"$difference"
      grep -m 1 '^>' <<<"$difference"
    else
      same=$((same + 1))
      continue
    fi
    failed=$((failed + 1))
  done
  list=$(printf '%s, ' "${names[@]}")
  echo "scenario at $level: $same of ${#programs[@]} programs print the same (${list%, })"
done
[ "$failed" = 0 ]
