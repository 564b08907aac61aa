#!/bin/bash
# Installs what the tests need, then builds and runs all of them: an optimised build with GCC, a build with
# AddressSanitizer and UndefinedBehaviorSanitizer with clang, ThreadSanitizer for what has threads, each fuzz target for some
# seconds, the style gates, the installed package, and what scripts/run.sh shows. Ends with non-zero when anything failed; every stage runs all the same. Logs: build/logs.
set -uo pipefail
cd "$(dirname "$0")/.."
logs=build/logs
mkdir -p "$logs"
jobs=$(nproc)
failed=()
summary=()

# stage NAME FUNCTION...: runs it with its output in build/logs/NAME.log.
stage() {
  local name=$1 start=$SECONDS verdict=ok
  shift
  echo "== $name"
  if ! "$@" >"$logs/$name.log" 2>&1; then
    verdict=FAILED
    failed+=("$name")
    tail -n 60 "$logs/$name.log"
  fi
  sed -n '/^[0-9]*% tests passed/,$p; /^style: /p; /^[0-9]* targets, /p' "$logs/$name.log" | grep -v '^$'
  summary+=("$(printf '%-10s %-7s %4d s' "$name" "$verdict" $((SECONDS - start)))")
}

build_and_test() {
  local preset=$1
  cmake --preset "$preset" && cmake --build --preset "$preset" &&
    ctest --test-dir "build/$preset" -j "$jobs" --output-on-failure --no-tests=error
}

# Under ThreadSanitizer only the suites that start threads; the others are not built.
thread_tests() {
  local suites=(convert web stores ingest catalog registry_http registry_v2)
  cmake --preset tsan && cmake --build --preset tsan --target "${suites[@]/%/_test}" &&
    ctest --test-dir build/tsan -R "^($(IFS='|' && echo "${suites[*]}"))\\.[0-9]" -j "$jobs" --output-on-failure --no-tests=error
}

# The main job and the registry, with the programs that have been built.
demonstration() {
  local build=$PWD/build/test
  PLATTER_BUILD=$build scripts/run.sh && PLATTER_BUILD=$build PLATTER_PORT=0 scripts/run.sh serve --once
}

bash scripts/deps.sh build test || exit 1
stage gcc build_and_test test
stage asan build_and_test asan
stage tsan thread_tests
stage fuzz bash fuzz/run.sh --stage
stage style bash scripts/check-style.sh
stage package bash scripts/check-package.sh build/test
stage run demonstration

echo "== summary"
printf '%s\n' "${summary[@]}"
if [ ${#failed[@]} != 0 ]; then
  echo "FAILED: ${failed[*]} (logs: $logs)"
  exit 1
fi
echo "all stages passed in $SECONDS s"
