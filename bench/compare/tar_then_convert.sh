#!/bin/sh
# What has to be done where appliances are not read in place: tar takes the disk out, and it is converted.
# usage: tar_then_convert.sh PLATTER APPLIANCE OUT
set -eu
disk=$3.vmdk
trap 'rm -f "$disk"' EXIT
tar -xOf "$2" --wildcards '*.vmdk' > "$disk"
"$1" convert -O qcow2 "$disk" "$3"
