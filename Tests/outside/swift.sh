#!/usr/bin/env bash
# A Swift package that depends on a tagged clone of this one by its URL, as `swift build` makes it, for debugging and for
# release, and that prints the same bits in both:
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
cp -r "$here/swift" "$work/outside"
cd "$work/outside"
sed "s|@URL@|file://$work/NNKit|; s|@VERSION@|$version|" Package.swift.in >Package.swift
# SwiftPM would remember the clone beyond this folder.
fresh=(--cache-path "$work/cache" --security-path "$work/security")
for configuration in debug release; do
  started=$SECONDS
  "$swift" build "${fresh[@]}" --configuration $configuration >log 2>&1 || { cat log && exit 1; }
  ".build/$configuration/outside" model.nnkit >$configuration
  echo "ok   a Swift package by URL, $configuration, $(cat $configuration), $((SECONDS - started)) s"
done
cmp debug release
