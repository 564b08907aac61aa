#!/bin/bash
# Measures platter and qemu-img side by side: one input, alternating runs, median times, peak memory.
#
# usage: bench/compare/run.sh [-p PLATTER] [-n PAIRS] [-s DATA_MIB] [-d FOLDER] [-o RESULT.json] [TASK...]
#   PLATTER   the tool to measure (build/release/tools/platter/platter)
#   PAIRS     runs of each tool per task (5)
#   DATA_MIB  data of the input, on a disk four times as large (1024); 64 is a quick look
#   FOLDER    where the files go (a new folder under TMPDIR, removed at the end)
# Every output is compared with the input once per task and tool. The ratio is qemu-img's median time by platter's.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
platter=$here/../../build/release/tools/platter/platter pairs=5 data=1024 folder='' result=''
while getopts p:n:s:d:o: option; do
  case $option in
    p) platter=$OPTARG ;; n) pairs=$OPTARG ;; s) data=$OPTARG ;; d) folder=$OPTARG ;; o) result=$OPTARG ;;
    *) sed -n '2,11s/^# \{0,1\}//p' "$0"; exit 2 ;;
  esac
done
shift $((OPTIND - 1))
if [ -z "$folder" ]; then
  folder=$(mktemp -d)
  trap 'rm -rf "$folder"' EXIT
fi
python3 "$here/measure.py" "$platter" "$pairs" "$data" "$folder" "$result" "$@"
