#!/usr/bin/env bash
# A plain `swift build` of a clone of this package, and a Swift package that depends on the clone by URL and tag, built
# for debugging and for release, which prints the same bits in both:
#
#   Tests/outside/swift.sh        make test-outside-swift
#
# It builds what is committed, not what lies in the folder.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
swift=${SWIFT:-swift}
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
version=$(sed -nE 's/^#define NNK_VERSION_(MAJOR|MINOR|PATCH) //p' "$root/include/nnkit.h" | paste -sd.)

git clone --quiet "$root" "$work/NNKit"
git -C "$work/NNKit" tag --force "$version" >/dev/null
# Where it fails, what it printed. SwiftPM would remember the clone beyond this folder.
build() {
  "$swift" build --cache-path "$work/cache" --security-path "$work/security" "$@" >"$work/log" 2>&1 ||
    { cat "$work/log" && exit 1; }
}

cd "$work/NNKit"
build
echo "ok   swift build, $SECONDS s"

cp -r "$here/swift" "$work/outside"
cd "$work/outside"
sed "s|@URL@|file://$work/NNKit|; s|@VERSION@|$version|" Package.swift.in >Package.swift
for configuration in debug release; do
  started=$SECONDS
  build --configuration $configuration
  ".build/$configuration/outside" model.nnkit >$configuration
  echo "ok   a Swift package by URL, $configuration: $(cat $configuration), $((SECONDS - started)) s"
done
cmp debug release
