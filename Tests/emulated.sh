#!/usr/bin/env bash
# Runs tests at baseline on an emulated processor without AVX:
#   emulated.sh <bundle>.xctest         the Swift tests
#   emulated.sh Tests/C/run.sh <dist>   the C tests
set -eu
emulator="qemu-x86_64 -cpu Nehalem"
if ! command -v qemu-x86_64 >/dev/null; then
  echo "skipped: tests on an emulated processor need qemu-x86_64 (Debian: qemu-user)"
  exit 0
fi
export NNKIT_ISA=baseline NNKIT_TEST_SCALE=small
# What is left out computes for long what other suites compute for short, or measures times; its instructions are the same.
long='LongSumTests|ConvolutionGeometryTests|CostTests|SharedMemoryTests|WinogradOutlierTests|RandomGraphTests'
long+='|OptimizerPrecisionTests|OrthogonalizationTests|SequencePaddingTests'
case $1 in
  *.xctest)
    echo "Swift tests at baseline on an emulated Nehalem"
    exec $emulator "$1" --testing-library swift-testing --skip "$long" ;;
  *)
    echo "C tests at baseline on an emulated Nehalem"
    NNKIT_RUNNER="$emulator" exec "$@" ;;
esac
