#!/bin/bash
# Attacks a built library at length, and says of each attack how often it was tried and how often it ended the host.
#
#   Tests/C/attacks.sh <dist-dir>
#
# The same programs run with smaller numbers in Tests/C/run.sh. The exit status is 1 where a host was ended, a call hung
# or something else was wrong. NNKIT_CALLS, NNKIT_POINTS, NNKIT_LIMITS, NNKIT_KILLS and NNKIT_SAVES change the numbers.
set -u
here=$(cd "$(dirname "$0")" && pwd)
if [ $# -lt 1 ] || [ ! -f "$1/lib/libnnkit.so" ]; then
    echo "usage: $0 <dist-dir>; <dist-dir>/lib/libnnkit.so must be there (make lib)" >&2
    exit 2
fi
dist=$(cd "$1" && pwd)
export NNKIT_CALLS=${NNKIT_CALLS:-1000000} NNKIT_POINTS=${NNKIT_POINTS:-4000} NNKIT_LIMITS=${NNKIT_LIMITS:-2200}
export NNKIT_KILLS=${NNKIT_KILLS:-500} NNKIT_SAVES=${NNKIT_SAVES:-60} NNKIT_LONG=1
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
bad=0

# attack <program> <what>: runs a program. Its lines that begin with "attack: " say what was done; a program without any
# is told by its checks, and by its children that a signal ended.
attack() {
    local program=$1 what=$2 started=$SECONDS counts ended
    ${CLANGXX:-clang++} -x c++ -std=c++17 -O1 -pthread -I"$dist/include" "$here/$program.c" -o "$work/$program" \
        -rdynamic -ldl -lm || { bad=1 && return; }
    counts=$("$work/$program" "$dist/lib/libnnkit.so" 2>"$work/errors" | tail -n 1)
    [ "${PIPESTATUS[0]}" = 0 ] || bad=1
    grep -qE '^[0-9]+ passed, 0 failed$' <<<"$counts" || bad=1
    ended=$(grep -c 'ended by signal' "$work/errors")
    grep '^attack: ' "$work/errors" | sed 's/^attack: //'
    echo "$what: $counts, $ended ended the host, $((SECONDS - started)) s"
    grep -v '^attack: ' "$work/errors" | sed 's/^/    /' | head -n 40
}

attack environment "every function in every floating-point environment"
attack saves "saves and loads: killed, beside a fit, onto FIFOs, sockets, devices, folders, links; modes, names, limits"
attack corners "thread keys, cancelled threads, callbacks that never return, small stacks, stale handles"
attack memory "memory that cannot be had"
attack fuzz "random calls"
exit $bad
