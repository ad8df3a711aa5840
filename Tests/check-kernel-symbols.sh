#!/bin/sh
# check-kernel-symbols.sh BUILD-DIRECTORY: fails when a kernel object holds a weak code symbol.
#
# The linker keeps one copy of a weak symbol and throws the others away. If a kernel module that is compiled for
# AVX holds one, the baseline path may end up in AVX code and crash an older processor. BUILD-DIRECTORY is the one
# that holds NNKitKernels.build, NNKitKernelsAVX2.build and NNKitKernelsAVX512.build, such as .build/release.
set -eu

if [ $# -ne 1 ] || [ ! -d "$1" ]; then
  echo "usage: $0 BUILD-DIRECTORY (such as .build/release)" >&2
  exit 2
fi

sources=$(dirname "$0")/../Sources
status=0
for module in NNKitKernels NNKitKernelsAVX2 NNKitKernelsAVX512; do
  objects=0
  for source in "$sources/$module"/*.swift; do
    object=$1/$module.build/$(basename "$source").o
    [ -e "$object" ] || continue
    objects=$((objects + 1))
    # W: weak, u: unique; both only where defined here. Weak data (V) is metadata, never run.
    symbols=$(nm --defined-only "$object" | awk '$2 == "W" || $2 == "u" { print $3 }')
    for symbol in $symbols; do
      echo "$module/$(basename "$object"): weak code symbol $symbol" >&2
      status=1
    done
  done
  if [ "$objects" -eq 0 ]; then
    echo "no object in $1/$module.build: build the package first" >&2
    exit 2
  fi
  echo "$module: $objects objects"
done
if [ "$status" -ne 0 ]; then
  echo "Generic library code was emitted: use pointers, counts, while loops and SIMD values there instead. Or the" >&2
  echo "module was compiled without -enable-single-module-llvm-emission, which makes private functions weak." >&2
  exit 1
fi
echo "no weak code symbol"
