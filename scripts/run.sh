#!/bin/bash
# Sets platter up and shows what it does: converts the boot images that Debian ships and checks every step by content.
# With arguments: runs the tool with them, in the caller's folder: scripts/run.sh convert a.qcow2 b.raw
# scripts/run.sh serve: the registry instead, on 127.0.0.1:9292 until Ctrl-C, with a boot image uploaded (PLATTER_PORT:
# another port; serve --once: ends after that). PLATTER_BUILD: a build folder to use instead of build/release.
set -euo pipefail
root=$(cd "$(dirname "$0")/.." && pwd)
build=${PLATTER_BUILD:-$root/build/release}
tool=$build/tools/platter/platter

# Quiet unless something fails; says so when there is much to do.
build_release() {
  local log=$root/build/run.log
  mkdir -p "$root/build"
  [ -x "$tool" ] || echo "run.sh: building platter (log: build/run.log)" >&2
  [ -e "$build/build.ninja" ] || cmake -S "$root" --preset release >"$log" 2>&1 || fail_with "$log"
  cmake --build "$build" >"$log" 2>&1 || fail_with "$log"
}

fail_with() {
  tail -40 "$1" >&2
  exit 1
}

sha256() { sha256sum <"$1" | cut -d' ' -f1; }

# The space that a file takes, for people.
size_on_disk() { numfmt --to=iec-i --suffix=B "$(du -B1 "$1" | cut -f1)"; }

# A root file system of its own: a few hundred files, one in a hole, made without root's rights.
make_root_file_system() {
  local tree=$work/tree
  mkdir -p "$tree/etc" "$tree/usr/share" "$tree/var/empty"
  cp -r /usr/share/common-licenses "$tree/usr/share/"
  cp -r "$root/formats" "$root/docs" "$tree/usr/share/" 2>/dev/null || true
  truncate -s 32M "$tree/var/hole"
  echo platter >"$tree/etc/hostname"
  truncate -s 64M "$work/rootfs.raw"
  mke2fs -q -F -t ext4 -E root_owner=0:0 -d "$tree" "$work/rootfs.raw" >"$work/mke2fs.log" 2>&1 ||
    fail_with "$work/mke2fs.log"
}

collect_images() {
  images=(/usr/lib/grub-rescue/grub-rescue-cdrom.iso /usr/lib/grub-rescue/grub-rescue-floppy.img
    "$root"/build/images/memtest86+/usr/lib/memtest86+/*x64.iso)
  make_root_file_system
  images+=("$work/rootfs.raw")
}

# raw -> qcow2 -> compressed qcow2 -> raw: after each step the guest disk must be what it was.
convert_and_verify() {
  local image=$1 name verified=yes
  name=$(basename "$image")
  local qcow2=$work/$name.qcow2 small=$work/$name.compressed.qcow2 back=$work/$name.back.raw
  "$tool" convert -f raw -O qcow2 "$image" "$qcow2"
  "$tool" convert -f qcow2 -O qcow2 -c "$qcow2" "$small"
  "$tool" convert -f qcow2 -O raw "$small" "$back"
  "$tool" compare -q -f raw -F qcow2 "$image" "$qcow2" || verified=no
  "$tool" compare -q -f raw -F qcow2 "$image" "$small" || verified=no
  "$tool" check -q -f qcow2 "$qcow2" && "$tool" check -q -f qcow2 "$small" || verified=no
  [ "$(sha256 "$image")" = "$(sha256 "$back")" ] || verified=no
  [ $verified = yes ] || failures=$((failures + 1))
  printf '%-28s %10s %10s %12s   %s\n' "$name" "$(numfmt --to=iec-i --suffix=B "$(stat -c %s "$image")")" \
    "$(size_on_disk "$qcow2")" "$(size_on_disk "$small")" "$verified"
}

main_job() {
  work=$root/build/demo
  failures=0
  rm -rf "$work"
  mkdir -p "$work"
  collect_images
  echo "Each image goes raw -> qcow2 -> compressed qcow2 -> raw; every step is compared with the first by content"
  echo "(platter compare, platter check, and SHA-256 of the raw file at the end)."
  echo
  printf '%-28s %10s %10s %12s   %s\n' image size qcow2 compressed verified
  for image in "${images[@]}"; do convert_and_verify "$image"; done
  echo
  if [ "$failures" != 0 ]; then
    echo "$failures of ${#images[@]} images came back different: this is a bug." >&2
    exit 1
  fi
  cat <<TEXT
All ${#images[@]} images came back byte for byte. They are in build/demo. Try next:

  scripts/run.sh info build/demo/rootfs.raw.compressed.qcow2
  scripts/run.sh map --output=json build/demo/rootfs.raw.qcow2
  scripts/run.sh convert -p -O qcow2 -o compression_type=zstd -c build/demo/rootfs.raw /tmp/small.qcow2
  scripts/run.sh --help
TEXT
}

# What a client of the image API does: a record, its bytes, the record again.
upload_and_show() {
  local url=$1 disk=$work/cd.qcow2 id status
  "$tool" convert -O qcow2 /usr/lib/grub-rescue/grub-rescue-cdrom.iso "$disk"
  id=$(curl -sSf -X POST "$url/v2/images" -H 'Content-Type: application/json' \
    -d '{"name": "grub-rescue", "disk_format": "qcow2", "container_format": "bare"}' |
    sed -n 's/.*"id": "\([0-9a-f-]*\)".*/\1/p')
  curl -sSf -X PUT "$url/v2/images/$id/file" -H 'Content-Type: application/octet-stream' --data-binary "@$disk"
  echo "The record of the upload:"
  curl -sSf "$url/v2/images/$id" | sed 's/[{}]//g; s/, "/\n  "/g; s/^/  /'
  echo
  curl -sSf -o "$work/again.qcow2" "$url/v2/images/$id/file"
  cmp "$work/again.qcow2" "$disk"
  echo "Downloaded again, it is the same byte for byte."
  echo "Told that it is a raw disk, the registry refuses it:"
  id=$(curl -sSf -X POST "$url/v2/images" -H 'Content-Type: application/json' \
    -d '{"disk_format": "raw", "container_format": "bare"}' | sed -n 's/.*"id": "\([0-9a-f-]*\)".*/\1/p')
  status=$(curl -sS -o "$work/refusal" -w '%{http_code}' -X PUT "$url/v2/images/$id/file" \
    -H 'Content-Type: application/octet-stream' --data-binary "@$disk")
  sed -n 's|.*<h1>\(.*\)</h1>|  \1|p; s|<br.*||p' "$work/refusal"
  [ "$status" = 415 ] || { echo "It answered $status instead of 415: this is a bug." >&2; exit 1; }
  curl -sSf -X DELETE "$url/v2/images/$id"
}

serve() {
  work=$root/build/registry
  local port=${PLATTER_PORT:-9292} url
  mkdir -p "$work"
  printf '[DEFAULT]\nbind_host = 127.0.0.1\nbind_port = %s\n[platter]\nstate = %s\n' "$port" "$work" >"$work/platterd.conf"
  "$build/tools/platterd/platterd" --config-file "$work/platterd.conf" db sync >"$work/platterd.log"
  "$build/tools/platterd/platterd" --config-file "$work/platterd.conf" serve >>"$work/platterd.log" 2>&1 &
  process=$!
  trap 'kill "$process" 2>/dev/null || true; wait "$process" || true' EXIT
  for _ in $(seq 100); do
    port=$(sed -n 's/.* serving .* port=\([0-9]*\) .*/\1/p' "$work/platterd.log")
    [ -n "$port" ] && break
    kill -0 "$process" 2>/dev/null || fail_with "$work/platterd.log"
    sleep 0.1
  done
  url=http://127.0.0.1:$port
  echo "platterd answers at $url; its log and its state are in build/registry."
  upload_and_show "$url"
  if [ "${1:-}" != --once ]; then
    echo "Ctrl-C ends it. Try: curl $url/v2/images"
    trap 'exit 0' INT TERM
    wait "$process"
  fi
}

"$root/scripts/deps.sh" build run >&2
build_release
if [ "${1:-}" = serve ]; then
  serve "${2:-}"
  exit
fi
if [ $# -gt 0 ]; then exec "$tool" "$@"; fi
main_job
