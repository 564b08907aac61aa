#!/bin/bash
# Runs the fuzz targets of build/fuzz, which it builds first. Findings end in build/fuzz-findings/NAME/, what a corpus has
# grown to in build/fuzz-corpus/NAME/, and each run's log in build/fuzz-logs/NAME.log. Ends with 1 when something was found.
#
# usage: fuzz/run.sh --hours H [--jobs N] [NAME...]     every target (or those named) for H hours each, N at a time, with
#                                                       the corpus kept and minimised at the end
#        fuzz/run.sh --seconds S [--jobs N] [NAME...]   the same for S seconds each
#        fuzz/run.sh --stage                            what CI runs: regressions and seeds, then each target for 20 s
#                                                       (or PLATTER_FUZZ_SECONDS), always in the same order
set -uo pipefail
cd "$(dirname "$0")/.."

seconds=
jobs=$(nproc)
stage=
names=()
while [ $# != 0 ]; do
  case $1 in
    --hours) seconds=$(awk "BEGIN { print int($2 * 3600) }") && shift ;;
    --seconds) seconds=$2 && shift ;;
    --jobs) jobs=$2 && shift ;;
    --stage) stage=yes ;;
    -*)
      sed -n '2,10s/^# \{0,1\}//p' "$0" >&2
      exit 2
      ;;
    *) names+=("$1") ;;
  esac
  shift
done
mapfile -t known < <(sed -n 's/^platter_fuzz(\([a-z0-9_]*\).*/\1/p' fuzz/CMakeLists.txt)
[ ${#names[@]} != 0 ] || names=("${known[@]}")
# CI looks where it looked before, so that what it finds comes from the change at hand; longer runs look elsewhere.
seed=0
if [ -n "$stage" ]; then
  seed=1
  seconds=${PLATTER_FUZZ_SECONDS:-20}
fi
if [ -z "$seconds" ]; then
  sed -n '2,10s/^# \{0,1\}//p' "$0" >&2
  exit 2
fi

# What is freed goes back after 16 MiB: the sanitizer's own hoard would else reach the limit within a minute, and slow down
# what makes many small allocations by four.
export ASAN_OPTIONS="quarantine_size_mb=16:malloc_context_size=8:allocator_release_to_os_interval_ms=500${ASAN_OPTIONS:+:$ASAN_OPTIONS}"

# A dictionary is named after the target, or after the part of its name before the "_".
dictionary() {
  local name
  for name in "$1" "${1%%_*}"; do
    [ -e "fuzz/dictionaries/$name.dict" ] && echo "-dict=fuzz/dictionaries/$name.dict" && return
  done
}

run_target() {
  local name=$1 corpus=build/fuzz-corpus/$1 findings=build/fuzz-findings/$1 status=0
  local inputs=()
  [ -z "$stage" ] || corpus=build/fuzz-stage/$name
  [ -z "$stage" ] || rm -rf "$corpus"
  mkdir -p "$corpus" "$findings" "build/fuzz/fuzz/seeds/$name" build/fuzz-logs
  inputs=("build/fuzz/fuzz/seeds/$name")
  [ -d "fuzz/regressions/$name" ] && inputs+=("fuzz/regressions/$name")
  local program=build/fuzz/fuzz/${name}_fuzz
  # shellcheck disable=SC2046  # no dictionary is no argument
  "$program" $(dictionary "$name") -seed="$seed" -rss_limit_mb=512 -timeout=10 -max_len=65536 \
    -max_total_time="$seconds" -print_final_stats=1 -print_funcs=0 -artifact_prefix="$findings/" \
    "$corpus" "${inputs[@]}" >"build/fuzz-logs/$name.log" 2>&1 || status=1
  if [ -z "$stage" ] && [ $status = 0 ]; then
    rm -rf "$corpus.small" && mkdir "$corpus.small"
    "$program" -merge=1 -rss_limit_mb=512 -timeout=10 "$corpus.small" "$corpus" >>"build/fuzz-logs/$name.log" 2>&1 &&
      rm -rf "$corpus" && mv "$corpus.small" "$corpus"
  fi
  printf '%-18s %s, %s runs, covered %s\n' "$name" "$([ $status = 0 ] && echo 'nothing found' || echo FOUND)" \
    "$(sed -n 's/^stat::number_of_executed_units: *//p' "build/fuzz-logs/$name.log" | head -1)" \
    "$(sed -n 's/.* cov: \([0-9]*\).*/\1/p' "build/fuzz-logs/$name.log" | tail -1)"
  [ $status = 0 ] || grep -m 3 -E 'broken promise|ERROR: |runtime error' "build/fuzz-logs/$name.log"
  return $status
}

cmake --preset fuzz >/dev/null && cmake --build --preset fuzz -j "$(nproc)" &&
  cmake --build --preset fuzz --target fuzz_seeds || exit 1

failed=0
running=0
for name in "${names[@]}"; do
  if [ "$running" -ge "$jobs" ]; then
    wait -n || failed=1
    running=$((running - 1))
  fi
  run_target "$name" &
  running=$((running + 1))
done
while [ "$running" -gt 0 ]; do
  wait -n || failed=1
  running=$((running - 1))
done
echo "${#names[@]} targets, $seconds s each, $jobs at a time: $([ $failed = 0 ] && echo 'nothing found' || echo 'see above')"
exit $failed
