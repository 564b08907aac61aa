#!/bin/bash
# What the corpora reach: a report of lines and branches covered in formats/, convert/ and tools/, by file, on the
# standard output, and as pages in build/coverage/html.
#
# usage: fuzz/coverage.sh [NAME...]   the corpora (build/fuzz-corpus, seeds, regressions) of all targets, or of those named
set -euo pipefail
cd "$(dirname "$0")/.."
names=("$@")
[ ${#names[@]} != 0 ] || mapfile -t names < <(sed -n 's/^platter_fuzz(\([a-z0-9_]*\).*/\1/p' fuzz/CMakeLists.txt)

cmake -G Ninja -S . -B build/coverage -DCMAKE_CXX_COMPILER=clang++-14 -DCMAKE_BUILD_TYPE=Debug \
  -DCMAKE_CXX_FLAGS="-fprofile-instr-generate -fcoverage-mapping" -DCMAKE_CXX_FLAGS_DEBUG="-O1 -g1" >/dev/null
cmake --build build/coverage --target platter "${names[@]/%/_replay}" >&2
python3 -B fuzz/seeds.py build/coverage/tools/platter/platter build/coverage/fuzz/seeds >&2

rm -f build/coverage/*.profraw
programs=()
for name in "${names[@]}"; do
  program=build/coverage/fuzz/${name}_replay
  LLVM_PROFILE_FILE=build/coverage/$name.profraw "$program" "build/coverage/fuzz/seeds/$name" "build/fuzz-corpus/$name" \
    "fuzz/regressions/$name" 2>/dev/null || echo "coverage.sh: $name ended early" >&2
  programs+=("-object" "$program")
done
llvm-profdata-14 merge -sparse -o build/coverage/all.profdata build/coverage/*.profraw
llvm-cov-14 show "${programs[@]:1}" -instr-profile=build/coverage/all.profdata -format=html \
  -output-dir=build/coverage/html formats convert tools
llvm-cov-14 report "${programs[@]:1}" -instr-profile=build/coverage/all.profdata formats convert tools
