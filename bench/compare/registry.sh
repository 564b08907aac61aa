#!/bin/bash
# Measures platterd beside Debian's glance-api: one machine, one client (curl), alternating runs, medians, and what each
# server takes of the processor and of memory.
#
# usage: bench/compare/registry.sh [-p PLATTERD] [-n PAIRS] [-s MIB] [-d FOLDER] [-o RESULT.json]
#   PLATTERD  the server to measure (build/release/tools/platterd/platterd)
#   PAIRS     runs of each server per task (5)
#   MIB       size of the image (1024)
#   FOLDER    where the files go (a new folder under TMPDIR, removed at the end)
# Both keep records in SQLite and images in files, and ask for no tokens. Needs Debian's python3-glance, glance-common,
# uwsgi-core, uwsgi-plugin-python3 and curl (scripts/deps.sh test installs them).
set -eu
here=$(cd "$(dirname "$0")" && pwd)
platterd=$here/../../build/release/tools/platterd/platterd pairs=5 size=1024 folder='' result=''
while getopts p:n:s:d:o: option; do
  case $option in
    p) platterd=$OPTARG ;; n) pairs=$OPTARG ;; s) size=$OPTARG ;; d) folder=$OPTARG ;; o) result=$OPTARG ;;
    *) sed -n '2,12s/^# \{0,1\}//p' "$0"; exit 2 ;;
  esac
done
if [ -z "$folder" ]; then
  folder=$(mktemp -d)
  trap 'rm -rf "$folder"' EXIT
fi
/usr/bin/python3 -B "$here/registry.py" "$platterd" "$pairs" "$size" "$folder" "$result"
