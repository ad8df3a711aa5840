#!/bin/bash
# Checks what a library shows to the world, and what it needs of it.
#
#   Tests/check-exports.sh <libnnkit.so> <nnkit.h>
#
# It exports the functions that the header declares and nothing else, needs only the C library, libm, libstdc++,
# libgcc_s and the loader, in versions as old as 2014, takes no memory past its reserve and no lock past the gate of
# forks, is named for the first number of its version, and is at most 20 MB. The exit status is 1 where one of these does
# not hold.
set -u
if [ $# != 2 ] || [ ! -f "$1" ] || [ ! -f "$2" ]; then
    echo "usage: $0 <libnnkit.so> <nnkit.h>" >&2
    exit 2
fi
library=$1
header=$2
largest=$((20 * 1000 * 1000))
bad=0

complain() {
    echo "$*" >&2
    bad=1
}

# What stands between NNK_API and the parenthesis ends with the function's name.
declared=$(tr '\n' ' ' <"$header" | grep -oE 'NNK_API [^;(]*\(' |
    grep -oE 'nnk_[A-Za-z0-9_]+ *\($' | tr -d ' (' | sort -u)
exported=$(nm -D --defined-only "$library" | awk '{print $NF}' | sort -u)
[ -n "$declared" ] || complain "no function found in $header"
extra=$(comm -13 <(echo "$declared") <(echo "$exported"))
missing=$(comm -23 <(echo "$declared") <(echo "$exported"))
[ -z "$extra" ] || complain "exported, but not in the header: $(echo $extra)"
[ -z "$missing" ] || complain "in the header, but not exported: $(echo $missing)"
others=$(grep -v '^nnk_' <<<"$exported")
[ -z "$others" ] || complain "exported names that do not begin with nnk_: $(echo $others | head -c 400)"

needed=$(readelf -d "$library" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p')
for name in $needed; do
    case $name in
    libc.so.6 | libm.so.6 | libpthread.so.0 | libdl.so.2 | libstdc++.so.6 | libgcc_s.so.1 | ld-linux-x86-64.so.2) ;;
    *) complain "needs $name; expected libc and its parts, libstdc++, libgcc_s and ld-linux alone" ;;
    esac
done
# What manylinux_2_17 wheels may need.
undefined=$(nm -D --undefined-only "$library" | awk '{ print $NF }')
for limit in GLIBC_2.17 GLIBCXX_3.4.19 CXXABI_1.3.7 GCC_4.8.0; do
    versions=$(grep -oE "@${limit%_*}_.*" <<<"$undefined" | tr -d @)
    for newer in $(printf '%s\n' "$limit" $versions | sort -Vu | sed "1,/^$limit\$/d"); do
        complain "needs $newer, newer than $limit, for $(grep "@$newer\$" <<<"$undefined" | cut -d@ -f1 | paste -sd' '):" \
            "let Sources/CNNKitBoundary/OldSystems.c lead there"
    done
done
soname=$(readelf -d "$library" | sed -nE 's/.*\(SONAME\).*\[(.*)\]/\1/p')
expected=libnnkit.so.$(sed -n 's/^#define NNK_VERSION_MAJOR //p' "$header")
[ "$soname" = "$expected" ] || complain "is named $soname; expected $expected (Package.swift)"
# Memory that the library takes past its reserve ends the process where there is none: see CNNKitBoundary/Reserve.c.
past=$(sed 's/@.*//' <<<"$undefined" |
    grep -E '^(_Znw|_Zna|_Zdl|_Zda|_ZNK?St7__cxx1112basic_string|strn?dup$|reallocarray$|memalign$|valloc$|getline$)')
[ -z "$past" ] || complain "takes memory past its reserve: $(echo $past)"
# Locks that a fork does not wait for: see CNNKitBoundary/Forks.c, which stands before pthread_mutex_lock.
past=$(sed 's/@.*//' <<<"$undefined" |
    grep -E '^(pthread_mutex_(try|timed|clock)lock|pthread_(rwlock|spin)_.*|pthread_cond_(timed|clock)wait|__cxa_guard_abort)$')
[ -z "$past" ] || complain "takes locks past the gate of forks: $(echo $past)"
path=$(readelf -d "$library" | sed -nE 's/.*\((RPATH|RUNPATH)\).*\[(.*)\]/\2/p')
case $path in
'' | '$ORIGIN'*) ;;
*) complain "has the run path $path, which is good on one machine only" ;;
esac
readelf -d "$library" | grep -q NODELETE || complain "can be unloaded while its threads run; link it with -z nodelete"

bytes=$(stat -Lc %s "$library")
[ "$bytes" -le $largest ] || complain "has $bytes bytes; expected at most $largest"
echo "$(wc -l <<<"$exported") functions, needs $(echo $needed), $(awk "BEGIN { printf \"%.1f\", $bytes / 1e6 }") MB"
exit $bad
