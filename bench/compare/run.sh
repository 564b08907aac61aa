#!/bin/bash
# Measures platter and its peers side by side: one input, alternating runs, medians of ratios, peak memory.
#
# usage: bench/compare/run.sh [-p PLATTER] [-n PAIRS] [-s DATA_MIB] [-v VIRTUAL_MIB] [-d FOLDER] [-x] [-o RESULT.json] [TASK...]
#        bench/compare/run.sh -g [-p PLATTER] [-n PAIRS] [-s DATA_MIB] [-d FOLDER] [-o RESULT.json]
#   PLATTER      the tool to measure (build/release/tools/platter/platter)
#   PAIRS        runs of each tool per task (5); of tasks that take less than 50 ms four times as many
#   DATA_MIB     data of the input (1024); 64 is a quick look
#   VIRTUAL_MIB  the disk it lies on (four times the data)
#   FOLDER       where the files go (a new folder under TMPDIR, removed at the end)
#   -x           leave out the tasks on XFS with shared blocks; they take root, for a file system in a file of FOLDER
#   -g           instead: how platter's time grows with the disk's size, and with workers (DATA_MIB: 256)
#   TASK         "raw to qcow2", "raw to qcow2 (xfs)", "main", "xfs"; all of them unless said
# Every output is compared with the input once per task and tool. A ratio is the peer's time by platter's; the peer is
# qemu-img in the best of its ways (-m, -W, -t, -T, tried first), cp or nbdcopy. plot.py draws RESULT.json.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
platter=$here/../../build/release/tools/platter/platter pairs=5 data='' virtual='' folder='' result='' xfs=yes growth=''
while getopts p:n:s:v:d:o:xg option; do
  case $option in
    p) platter=$OPTARG ;; n) pairs=$OPTARG ;; s) data=$OPTARG ;; v) virtual=$OPTARG ;; d) folder=$OPTARG ;;
    o) result=$OPTARG ;; x) xfs='' ;; g) growth=yes ;;
    *) sed -n '2,17s/^# \{0,1\}//p' "$0"; exit 2 ;;
  esac
done
shift $((OPTIND - 1))
made='' mounted=''
clean_up() {
  if [ -n "$mounted" ]; then umount "$folder/xfs" && rm -r "$folder/xfs" "$folder/xfs.img"; fi
  if [ -n "$made" ]; then rm -rf "$folder"; fi
}
trap clean_up EXIT
if [ -z "$folder" ]; then folder=$(mktemp -d) made=yes; fi
if [ -n "$growth" ]; then
  python3 -B "$here/growth.py" "$platter" "$pairs" "${data:-256}" "$folder" "$result"
  exit
fi
data=${data:-1024}
if [ -n "$xfs" ] && [ "$(id -u)" = 0 ] && command -v mkfs.xfs >/dev/null; then
  truncate -s $((data * 12 + 2048))M "$folder/xfs.img"
  mkfs.xfs -q -m reflink=1 "$folder/xfs.img"
  mkdir "$folder/xfs"
  mount -o loop "$folder/xfs.img" "$folder/xfs"
  mounted=yes
fi
python3 -B "$here/measure.py" "$platter" "$pairs" "$data" "${virtual:-$((4 * data))}" "$folder" \
  "${mounted:+$folder/xfs}" "$result" "$@"
