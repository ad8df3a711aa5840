#!/usr/bin/env bash
# Prints the instruction-set levels that this processor and system have, lowest first: baseline avx2 avx512.
set -eu
flags=" $(sed -n 's/^flags[^:]*: //p' /proc/cpuinfo | head -n 1) "
has() { for flag; do [[ $flags == *" $flag "* ]] || return 1; done; }
levels=baseline
if has avx2 fma bmi1 bmi2 f16c movbe abm; then
  levels+=" avx2"
  if has avx512f avx512bw avx512cd avx512dq avx512vl; then levels+=" avx512"; fi
fi
echo "$levels"
