#!/bin/bash
# usage: scripts/check-package.sh [BUILD]   (a folder with a finished build; otherwise the release build is made)
# Installs the build as a package would, and uses it: a program of its own finds the engine with CMake and with
# pkg-config, the manual page renders, and the .deb that cpack makes holds what it should, installs and runs.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
work=$root/build/package
rm -rf "$work"
mkdir -p "$work"

build=${1:-build/release}
if [ $# = 0 ]; then
  cmake --preset release
  cmake --build --preset release
fi
DESTDIR=$work/stage cmake --install "$build" --prefix /usr
stage=$work/stage/usr

echo "-- a program outside the tree"
mkdir "$work/consumer"
cat >"$work/consumer/main.cc" <<'CODE'
#include <cstdio>

#include "convert/copy/copy.h"
#include "formats/format_table.h"
#include "formats/open.h"

int main() {
  for (const platter::FormatDriver* driver : platter::AllFormats()) std::printf("%s\n", driver->name.data());
  auto file = platter::FileStorage::Open("/nowhere", {});
  return file.ok() ? 1 : 0;
}
CODE
cat >"$work/consumer/CMakeLists.txt" <<'CODE'
cmake_minimum_required(VERSION 3.25)
project(consumer CXX)
set(CMAKE_CXX_STANDARD 20)
find_package(platter 0.1 REQUIRED)
add_executable(consumer main.cc)
target_link_libraries(consumer PRIVATE platter::platter)
CODE
cmake -S "$work/consumer" -B "$work/consumer/build" -G Ninja -DCMAKE_PREFIX_PATH="$stage"
cmake --build "$work/consumer/build"
"$work/consumer/build/consumer" | grep -qx qcow2

echo "-- the same with pkg-config"
pc_folder=$(dirname "$(find "$stage" -name platter.pc)")
# shellcheck disable=SC2046
g++ -std=c++20 "$work/consumer/main.cc" -o "$work/consumer/by-pkg-config" \
  $(PKG_CONFIG_PATH=$pc_folder pkg-config --cflags --libs platter)
"$work/consumer/by-pkg-config" | grep -qx qcow2

echo "-- judging an image from C"
# shellcheck disable=SC2046
cc "$root/tools/platter-hook/examples/inspect.c" -o "$work/consumer/inspect" \
  $(PKG_CONFIG_PATH=$pc_folder pkg-config --cflags --libs platter-inspect)
LD_LIBRARY_PATH=$pc_folder/.. "$work/consumer/inspect" <"$root/README.md" | grep -q '"verdict": "accepted"'

echo "-- installed headers stand alone"
find "$stage/include/platter" -name '*.h' | while read -r header; do
  g++ -std=c++20 -fsyntax-only -I"$stage/include/platter" -x c++ "$header" 2>&1 | grep -v 'pragma once in main file' |
    grep -E 'error' && exit 1
  true
done

echo "-- the manual pages"
for page in platter platter-hook platterd; do
  MANWIDTH=80 LC_ALL=C.UTF-8 man --warnings -l "$stage/share/man/man1/$page.1" 2>"$work/man.warnings" >"$work/$page.txt"
  [ ! -s "$work/man.warnings" ] || { cat "$work/man.warnings"; exit 1; }
done
grep -q convert "$work/platter.txt"
grep -q sandbox "$work/platter-hook.txt"

echo "-- bash completion"
bash -c "source /usr/share/bash-completion/bash_completion
  source '$stage/share/bash-completion/completions/platter'; complete -p platter"

echo "-- the packages"
cpack --config "$build/CPackConfig.cmake"
deb=$(echo "$build"/packages/platter_*.deb)
dpkg-deb --info "$deb" >"$work/info"
grep -E '^ Package: platter$' "$work/info"
grep -E '^ Depends: .*libc6' "$work/info"
dpkg-deb --contents "$deb" >"$work/contents"
for path in ./usr/bin/platter ./usr/bin/platter-hook ./usr/libexec/platter/qemu-img ./usr/share/man/man1/platter.1 \
  ./usr/share/man/man1/platter-hook.1 \
  ./usr/share/bash-completion/completions/platter; do
  grep -qF " $path" "$work/contents" || { echo "$path is missing in $deb"; exit 1; }
done
registry_deb=$(echo "$build"/packages/platterd_*.deb)
dpkg-deb --info "$registry_deb" | grep -E 'Conflicts: .*glance-common'
dpkg-deb --contents "$registry_deb" >"$work/registry-contents"
for path in ./usr/bin/platterd './usr/bin/glance-manage -> platterd' ./usr/lib/systemd/system/platterd.service \
  './usr/lib/systemd/system/openstack-glance-api.service -> platterd.service' ./usr/share/man/man1/platterd.1; do
  grep -qF " $path" "$work/registry-contents" || { echo "$path is missing in $registry_deb"; exit 1; }
done
# dpkg installs it into a root of its own, from which it runs too, and removes it again.
mkdir -p "$work/root/var/lib/dpkg/info" "$work/root/var/lib/dpkg/updates"
touch "$work/root/var/lib/dpkg/status"
own_dpkg() {
  dpkg --root="$work/root" --force-not-root --force-depends --force-script-chrootless --log=/dev/null "$@"
}
own_dpkg --install "$deb"
"$work/root/usr/bin/platter" --version
"$work/root/usr/bin/platter-hook" "$root/docs/platter.1" >/dev/null
"$work/root/usr/libexec/platter/qemu-img" info --output=json "$root/docs/platter.1" >/dev/null
own_dpkg --remove platter
[ ! -e "$work/root/usr/bin/platter" ]
echo "package: ok"
