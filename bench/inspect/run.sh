#!/bin/bash
# Measures how fast a stream of raw data is inspected: our inspector, and those in Debian's Glance, side by side.
#
# usage: bench/inspect/run.sh [-b INSPECT_BENCH] [-p PLATTER_HOOK] [-n RUNS]
#   INSPECT_BENCH  build/release/bench/inspect_bench (cmake --preset release -DPLATTER_BENCH=ON)
#   PLATTER_HOOK   build/release/tools/platter-hook/platter-hook
#   RUNS           of each row (5)
# 1 GiB in chunks of 64 KiB, as Glance hands them over, and of 1 MiB; each time the same memory over and over, except for
# the program's row, which a pipe feeds. Glance's inspectors look at one format each: "all its formats" feeds every one of
# them, until it gives up, as ours looks for all formats at once.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
build=$here/../../build/release
bench=$build/bench/inspect_bench hook=$build/tools/platter-hook/platter-hook runs=5
while getopts b:p:n: option; do
  case $option in
    b) bench=$OPTARG ;; p) hook=$OPTARG ;; n) runs=$OPTARG ;;
    *) sed -n '2,11s/^# \{0,1\}//p' "$0"; exit 2 ;;
  esac
done
exec /usr/bin/python3 -B "$here/measure.py" "$bench" "$hook" "$runs"
