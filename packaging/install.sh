#!/usr/bin/env bash
# Lays out, or takes away, a tree that C, C++ and Rust programs find the library in:
#
#   packaging/install.sh <libnnkit.so> <prefix>
#   packaging/install.sh --remove <prefix>
#
# The tree holds no path of its own: it may be moved, or unpacked anywhere. A library that is there already is replaced
# at once, and programs that have it loaded keep it.
set -eu
if [ $# != 2 ] || { [ "$1" != --remove ] && [ ! -f "$1" ]; }; then
  echo "usage: $0 <libnnkit.so>|--remove <prefix>; make lib builds the library" >&2
  exit 2
fi
library=$1
prefix=$2
root=$(cd "$(dirname "$0")/.." && pwd)
version=$(sed -nE 's/^#define NNK_VERSION_(MAJOR|MINOR|PATCH) //p' "$root/include/nnkit.h" | paste -sd.)
major=${version%%.*}
soname=libnnkit.so.$major
filled=$(mktemp)
trap 'rm -f "$filled"' EXIT

# put <mode> <file> <place below the prefix>, link <target> <place>
if [ "$library" = --remove ]; then
  put() { rm -f "$prefix/$3"; }
  link() { rm -f "$prefix/$2"; }
else
  put() { install -D -m "$1" "$2" "$prefix/$3.new" && mv -f "$prefix/$3.new" "$prefix/$3"; }
  link() { ln -sfn "$1" "$prefix/$2"; }
fi
fill() {
  sed -e "s/@VERSION@/$version/g; s/@MAJOR@/$major/g; s/@SONAME@/$soname/g" "$root/packaging/$1" >"$filled"
  put 644 "$filled" "$2"
}

put 755 "$library" "lib/libnnkit.so.$version"
link "libnnkit.so.$version" "lib/$soname"
link "$soname" lib/libnnkit.so
put 644 "$root/include/nnkit.h" include/nnkit.h
fill nnkit.pc.in lib/pkgconfig/nnkit.pc
fill NNKitConfig.cmake.in lib/cmake/NNKit/NNKitConfig.cmake
fill NNKitConfigVersion.cmake.in lib/cmake/NNKit/NNKitConfigVersion.cmake
put 644 "$root/LICENSE" share/doc/nnkit/LICENSE
put 644 "$root/packaging/THIRD-PARTY.txt" share/doc/nnkit/THIRD-PARTY.txt
for example in "$root"/examples/c/*.[ch]; do
  put 644 "$example" "share/doc/nnkit/examples/${example##*/}"
done
if [ "$library" = --remove ] && [ -d "$prefix/share/doc/nnkit" ]; then
  rmdir "$prefix/lib/cmake/NNKit" "$prefix/share/doc/nnkit/examples" "$prefix/share/doc/nnkit"
fi
