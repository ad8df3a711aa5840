#!/bin/bash
# Compiles and runs the C tests against a built library.
#
#   Tests/C/run.sh <dist-dir> [program ...]
#
# <dist-dir> holds lib/libnnkit.so and include/nnkit.h. Every program is compiled by gcc and by clang, as C99 and as
# C++17, with warnings as errors; the C99 build of gcc and the C++17 build of clang are run, of the programs in
# `by_time` the former alone. One line for each run, a total at the end; the exit status is 1 where anything failed.
#
# NNKIT_RUNNER      a command to run the programs under, such as "qemu-x86_64 -cpu Nehalem": then only the C99 build of
#                   gcc is made and run, with NNKIT_TEST_SCALE=small, and of the programs those that compute
# NNKIT_TEST_SCALE  "small" for fewer and smaller rounds
# GCC, GXX, CLANG, CLANGXX   the compilers
set -u
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
if [ $# -lt 1 ] || [ ! -f "$1/lib/libnnkit.so" ]; then
    echo "usage: $0 <dist-dir> [program ...]; <dist-dir>/lib/libnnkit.so must be there (make lib)" >&2
    exit 2
fi
dist=$(cd "$1" && pwd)
shift
library=$dist/lib/libnnkit.so
header=$dist/include/nnkit.h
runner=${NNKIT_RUNNER:-}
if [ -n "$runner" ]; then
    export NNKIT_TEST_SCALE=${NNKIT_TEST_SCALE:-small}
fi
seconds_limit=$([ -n "$runner" ] && echo 1800 || echo 300)

programs=(abi api streams sequences states hostile_options hostile_calls hostile_tensors hostile_training files
    byhand shapes allocations threads cancel statuses publication fork citizenship environment saves corners stacks memory
    fuzz ffi)
linked_programs=(abi api)
# These run threads or processes against each other for some seconds, whoever compiled them.
by_time=" publication fork "
# These make processes, memory fail, or calls that are refused: nothing in them computes what no other program does, and
# qemu-user itself ends with a failed assertion when a forked child of a process with threads starts a thread.
not_emulated=" hostile_options hostile_calls hostile_tensors hostile_training files allocations publication fork saves"
not_emulated+=" corners stacks memory fuzz "
[ $# -gt 0 ] && programs=("$@") && linked_programs=()

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
passed=0
failed=0

# line <ok?> <what> <rest>: prints one line and counts one check.
line() {
    if [ "$1" = 0 ]; then passed=$((passed + 1)); else failed=$((failed + 1)); fi
    printf '%-4s %-18s %s\n' "$([ "$1" = 0 ] && echo ok || echo FAIL)" "$2" "$3"
}

# The four builds: name, compiler, language.
builds=("gcc-c99" "gcc-c++17" "clang-c99" "clang-c++17")
[ -n "$runner" ] && builds=("gcc-c99")
compiler() {
    case $1 in
    gcc-c99) echo "${GCC:-gcc} -x c -std=c99 -D_GNU_SOURCE" ;;
    gcc-c++17) echo "${GXX:-g++} -x c++ -std=c++17" ;;
    clang-c99) echo "${CLANG:-clang} -x c -std=c99 -D_GNU_SOURCE" ;;
    clang-c++17) echo "${CLANGXX:-clang++} -x c++ -std=c++17" ;;
    esac
}
warnings="-Wall -Wextra -Wpedantic -Werror"

# build <source> <output> <build> [linker flags]: compiles, with $flags, and links one program.
flags=
build() {
    local source=$1 output=$2 name=$3
    shift 3
    $(compiler "$name") $warnings -O1 -pthread $flags -I"$dist/include" -c "$source" -o "$output.o" || return
    # -rdynamic: allocations.c stands in for the allocator.
    $(compiler "$name" | cut -d' ' -f1) "$output.o" -o "$output" -rdynamic -pthread "$@" -ldl -lm
}

# run <title> <command...>: runs a program that ends with "N passed, N failed", and adds its counts.
run() {
    local title=$1 started=$SECONDS output status counts
    shift
    output=$(timeout "$seconds_limit" $runner "$@" 2>"$work/errors")
    status=$?
    counts=$(tail -n 1 <<<"$output")
    if [[ $counts =~ ^([0-9]+)\ passed,\ ([0-9]+)\ failed$ ]]; then
        passed=$((passed + BASH_REMATCH[1]))
        failed=$((failed + BASH_REMATCH[2]))
        [ "$status" != 0 ] && [ "${BASH_REMATCH[2]}" = 0 ] && failed=$((failed + 1)) && counts+=" (exit status $status)"
    else
        failed=$((failed + 1))
        counts="ended with exit status $status and no counts"
    fi
    printf '%-4s %-18s %-12s %s, %d s\n' "$([ "$status" = 0 ] && echo ok || echo FAIL)" "$title" "$build_name" \
        "$counts" $((SECONDS - started))
    [ "$status" != 0 ] && sed 's/^/     /' "$work/errors" | head -n 40
}

# runs <build> <program>: whether that build of the program is run, and not only made.
runs() { [ "$1" = gcc-c99 ] || { [ "$1" = clang-c++17 ] && [[ $by_time != *" $2 "* ]]; }; }

# The header alone, with every warning that there is.
for name in "${builds[@]}"; do
    extra=$warnings
    case $name in
    gcc-c99) extra+=" -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Wredundant-decls -Wshadow" ;;
    gcc-c++17) extra+=" -Wconversion -Wredundant-decls -Wshadow -Wold-style-cast" ;;
    # Padding is part of the layouts that abi.c checks; the others complain about C++17 and C99 themselves.
    clang-*) extra+=" -Weverything -Wno-padded -Wno-c++98-compat -Wno-c++98-compat-pedantic -Wno-pre-c++17-compat"
        extra+=" -Wno-declaration-after-statement -Wno-unsafe-buffer-usage" ;;
    esac
    echo '#include "nnkit.h"' >"$work/header.c"
    $(compiler "$name") $extra -fsyntax-only -I"$dist/include" "$work/header.c" 2>"$work/errors"
    status=$?
    line $status "header alone" "$name"
    [ $status != 0 ] && head -n 20 "$work/errors"
done

# The list in nnkit_loader.h names every function of the header.
declared=$(tr '\n' ' ' <"$header" | grep -oE 'NNK_API [^;(]*\(' | grep -oE 'nnk_[a-z0-9_]+ *\($' | tr -d ' (' | sort -u)
listed=$(grep -oE '^    X\([^(]*nnk_[a-z0-9_]+,' "$here/nnkit_loader.h" | grep -oE 'nnk_[a-z0-9_]+,$' | tr -d , |
    sort -u)
[ "$declared" = "$listed" ]
line $? "loader's list" "$(wc -l <<<"$listed") functions"

"$root/Tests/check-exports.sh" "$library" "$header" >"$work/exports" 2>&1
line $? "exports" "$(tail -n 1 "$work/exports")"

for program in "${programs[@]}"; do
    [ -n "$runner" ] && [[ $not_emulated == *" $program "* ]] && continue
    for build_name in "${builds[@]}"; do
        libraries=
        [ "$program" = ffi ] && libraries=-lffi
        if ! build "$here/$program.c" "$work/$program-$build_name" "$build_name" $libraries 2>"$work/errors"; then
            line 1 "$program" "$build_name does not compile"
            head -n 20 "$work/errors"
        elif runs "$build_name" "$program"; then
            run "$program" "$work/$program-$build_name" "$library"
        fi
    done
done

# The same sources as ordinary programs, linked with -lnnkit.
for program in "${linked_programs[@]}"; do
    for build_name in "${builds[@]}"; do
        runs "$build_name" "$program" || continue
        if ! flags=-DNNKIT_LINKED build "$here/$program.c" "$work/$program-linked" "$build_name" -L"$dist/lib" \
            -Wl,-rpath,"$dist/lib" -lnnkit 2>"$work/errors"; then
            line 1 "$program, linked" "$build_name does not compile"
            head -n 20 "$work/errors"
        else
            run "$program, linked" "$work/$program-linked"
        fi
    done
done

# The examples: train.c writes a file, run.c and dlopen.c read it and print the same predictions.
if [ ${#linked_programs[@]} -gt 0 ]; then
    for build_name in "${builds[@]}"; do
        good=0
        for example in train run dlopen; do
            link=(-L"$dist/lib" -Wl,-rpath,"$dist/lib" -lnnkit)
            [ $example = dlopen ] && link=()
            build "$root/examples/c/$example.c" "$work/example-$example" "$build_name" "${link[@]}" 2>"$work/errors" ||
                { good=1 && head -n 20 "$work/errors"; }
        done
        runs "$build_name" examples || { line $good "examples compile" "$build_name" && continue; }
        (cd "$work" && $runner ./example-train shapes.nnkit >train.txt 2>"$work/errors" &&
            $runner ./example-run shapes.nnkit >run.txt 2>>"$work/errors" &&
            $runner ./example-dlopen "$library" shapes.nnkit >dlopen.txt 2>>"$work/errors" &&
            [ -s run.txt ] && cmp -s run.txt dlopen.txt) || good=1
        line $good "examples" "$build_name, $(tail -n 1 "$work/train.txt" 2>/dev/null)"
        [ $good != 0 ] && head -n 20 "$work/errors"
    done
fi

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
