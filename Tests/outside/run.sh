#!/usr/bin/env bash
# Programs of users who have no source of NNKit, each in a fresh folder:
#
#   Tests/outside/run.sh <nnkit-....tar.gz> <nnkit_engine-....whl>     make test-outside
#
# A C program trains a model with an installed tree, and C, C++, Python and Rust programs run it: each prints the same.
# The exit status is 1 where one does not. cmake comes from PATH; numpy and tqdm, for the wheel, come from PyPI.
set -eu
if [ $# != 2 ] || [ ! -f "$1" ] || [ ! -f "$2" ]; then
  echo "usage: $0 <tarball> <wheel>; make dist wheel makes them" >&2
  exit 2
fi
tarball=$(realpath "$1")
wheel=$(realpath "$2")
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
python=${PYTHON:-python3}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
unset NNKIT_LIBRARY LD_LIBRARY_PATH PYTHONPATH
failed=0
started=$SECONDS

# check <claim> <function>: runs the function in a fresh folder; a line for it, with what it printed where it failed.
check() {
  local status
  mkdir "$work/$2"
  set +e  # A function that is part of a condition would go on after a command that fails.
  (set -e -o pipefail; cd "$work/$2"; "$2") >"$work/$2.log" 2>&1
  status=$?
  set -e
  if [ $status = 0 ]; then
    echo "ok   $1"
  else
    echo "FAIL $1"
    sed 's/^/     /' "$work/$2.log"
    failed=$((failed + 1))
  fi
}

install_and_move() {
  make --no-print-directory -C "$root" install DESTDIR="$PWD/stage" PREFIX=/opt/nnkit
  mv stage/opt/nnkit "$tree"
  tar xzf "$tarball"
  diff -r nnkit-* "$tree"
  # Installed and taken away again, in a folder with a file of somebody else's.
  make --no-print-directory -C "$root" install DESTDIR="$PWD/other" PREFIX=/usr
  touch other/usr/lib/theirs
  make --no-print-directory -C "$root" uninstall DESTDIR="$PWD/other" PREFIX=/usr
  [ "$(find other ! -type d)" = other/usr/lib/theirs ]
  if grep -rlF -e "$root" -e "$PWD" "$tree"; then
    echo "these files say where they were made"
    return 1
  fi
}

c_by_pkg_config() {
  export PKG_CONFIG_PATH=$tree/lib/pkgconfig
  pkg-config --modversion nnkit | grep -qx "$version"
  for program in train run; do
    # shellcheck disable=SC2046
    "${CC:-cc}" "$examples/$program.c" $(pkg-config --cflags --libs nnkit) -lm -o "$program"
  done
  readelf -d run | grep -q "NEEDED.*\[libnnkit\.so\.${version%%.*}\]"
  LD_LIBRARY_PATH=$tree/lib ./train "$work/shapes.nnkit"
  LD_LIBRARY_PATH=$tree/lib ./run "$work/shapes.nnkit" | tee "$work/expected"
  grep -qE '^1[0-9] of 16 right$' "$work/expected"
}

c_by_dlopen() {
  "${CC:-cc}" "$examples/dlopen.c" -I"$tree/include" -ldl -lm -o program
  LD_LIBRARY_PATH=$tree/lib ./program libnnkit.so.0 "$work/shapes.nnkit" | diff "$work/expected" -
  ./program "$tree/lib/libnnkit.so" "$work/shapes.nnkit" | diff "$work/expected" -
}

cpp_by_cmake() {
  cp "$here"/cmake/* "$examples/shapes.h" .
  cmake -S . -B build -DCMAKE_PREFIX_PATH="$tree" -DNNKIT_VERSION="$version" -DNNKIT_MAJOR="${version%%.*}"
  cmake --build build
  build/program "$work/shapes.nnkit" "$work/drawings" | diff "$work/expected" -
}

wheel_in_a_bare_environment() {
  "$python" -m venv venv
  venv/bin/python -m pip install --quiet --disable-pip-version-check "$wheel"
  env -i PATH="$PWD/venv/bin" venv/bin/python "$here/program.py" "$work/shapes.nnkit" "$work/drawings" |
    diff "$work/expected" -
}

package_without_library() {
  cp -r "$root/bindings/python" package
  rm -rf package/build
  "$python" -m venv venv
  if venv/bin/python -m pip install --disable-pip-version-check --no-deps ./package >output 2>&1; then
    echo "it was installed"
    return 1
  fi
  cat output
  grep -q 'make lib && pip install ./bindings/python' output
}

rust_by_pkg_config() {
  mkdir src
  cp "$here/rust/main.rs" src/
  printf '%s\n' '[workspace]' '[package]' 'name = "program"' 'version = "0.1.0"' 'edition = "2021"' '[features]' \
    'dlopen = ["nnkit/dlopen"]' '[dependencies]' "nnkit = { path = \"$rust/nnkit\" }" >Cargo.toml
  PKG_CONFIG_PATH=$tree/lib/pkgconfig cargo build --quiet --offline
  LD_LIBRARY_PATH=$tree/lib target/debug/program "$work/shapes.nnkit" "$work/drawings" | diff "$work/expected" -
  readelf -d target/debug/program | grep -q "NEEDED.*libnnkit"
}

rust_by_dlopen() {
  mv ../rust_by_pkg_config/{Cargo.toml,src} .
  PKG_CONFIG_PATH= cargo build --quiet --offline --features dlopen
  LD_LIBRARY_PATH=$tree/lib target/debug/program "$work/shapes.nnkit" "$work/drawings" | diff "$work/expected" -
  if readelf -d target/debug/program | grep "NEEDED.*libnnkit"; then
    return 1
  fi
}

tree=$work/moved
examples=$tree/share/doc/nnkit/examples
version=$(sed -nE 's/^#define NNK_VERSION_(MAJOR|MINOR|PATCH) //p' "$root/include/nnkit.h" | paste -sd.)
rust=$root/bindings/rust

check "make install lays out what make dist packs, make uninstall takes it away, and the tree moves" install_and_move
check "C by pkg-config" c_by_pkg_config
check "C by dlopen" c_by_dlopen
check "C++ by CMake" cpp_by_cmake
check "a wheel in a bare environment, without Swift" wheel_in_a_bare_environment
check "the Python package without the library says what to type" package_without_library
if command -v cargo >/dev/null && [ -d "$rust" ]; then
  check "Rust by pkg-config" rust_by_pkg_config
  check "Rust by dlopen" rust_by_dlopen
else
  echo "skipped: Rust needs cargo and $rust"
fi
echo "$failed failed, $((SECONDS - started)) s"
[ $failed = 0 ]
