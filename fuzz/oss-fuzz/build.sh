#!/bin/bash -eu
# OSS-Fuzz runs this with CC, CXX, CFLAGS, CXXFLAGS, LIB_FUZZING_ENGINE and OUT set. What is fuzzed lands in $OUT: each
# target with its dictionary, its seeds and its limits, the second readers, and the shared libraries, which the machines
# that run them do not have.
cmake -G Ninja -S . -B build/oss-fuzz -DCMAKE_BUILD_TYPE=Debug -DCMAKE_CXX_FLAGS_DEBUG="-g1" -DPLATTER_TESTS=OFF \
  -DPLATTER_WERROR=OFF -DPLATTER_FUZZ=ON -DPLATTER_FUZZ_ENGINE="$LIB_FUZZING_ENGINE"
cmake --build build/oss-fuzz

# The tools that make seeds are no targets: a leak in one of them is no finding.
ASAN_OPTIONS=detect_leaks=0 python3 -B fuzz/seeds.py build/oss-fuzz/tools/platter/platter build/oss-fuzz/seeds

mkdir -p "$OUT/lib"
cp build/oss-fuzz/fuzz/platter_fuzz_peer "$OUT/"
for program in build/oss-fuzz/fuzz/*_fuzz "$OUT/platter_fuzz_peer"; do
  ldd "$program" | sed -n 's/.* => \(\/[^ ]*\) .*/\1/p' |
    grep -vE '/(libc|libm|libpthread|libdl|librt|libstdc\+\+|libgcc_s)\.so' | xargs -r cp -nt "$OUT/lib" || true
done
# shellcheck disable=SC2016  # the loader expands $ORIGIN
patchelf --set-rpath '$ORIGIN/lib' "$OUT/platter_fuzz_peer"

for program in build/oss-fuzz/fuzz/*_fuzz; do
  name=$(basename "$program" _fuzz)
  cp "$program" "$OUT/"
  # shellcheck disable=SC2016
  patchelf --set-rpath '$ORIGIN/lib' "$OUT/${name}_fuzz"
  for word in "$name" "${name%%_*}"; do
    [ -e "fuzz/dictionaries/$word.dict" ] && cp "fuzz/dictionaries/$word.dict" "$OUT/${name}_fuzz.dict" && break
  done
  corpus=("build/oss-fuzz/seeds/$name")
  [ -d "fuzz/regressions/$name" ] && corpus+=("fuzz/regressions/$name")
  find "${corpus[@]}" -type f 2>/dev/null | zip -q -j -@ "$OUT/${name}_fuzz_seed_corpus.zip" || true
  printf '[libfuzzer]\nmax_len = 65536\ntimeout = 10\nrss_limit_mb = 512\n' >"$OUT/${name}_fuzz.options"
done
