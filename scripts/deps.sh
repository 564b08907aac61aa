#!/bin/bash
# Installs with apt what is missing. Usage: scripts/deps.sh [build|run|test]...   (without arguments: all of them)
# What is there already is left alone; when nothing is missing, it needs neither rights nor a network.
set -euo pipefail
cd "$(dirname "$0")/.."

build=(g++ dpkg-dev file cmake ninja-build ccache pkg-config libfmt-dev libisal-dev libzstd-dev zlib1g-dev libqcow-dev libssl-dev
  libhwy-dev)
run=(grub-rescue-pc e2fsprogs)
test=(libgtest-dev libgmock-dev libbenchmark-dev qemu-utils libqcow-utils e2fsprogs grub-rescue-pc python3 man-db
  bash-completion dpkg-dev file util-linux procps clang-14 clang-tidy-14 clang-format-14 libclang-rt-14-dev)

# The packages that are there, one a line.
installed() {
  dpkg-query -W -f='${db:Status-Status} ${Package}\n' "$@" 2>/dev/null | sed -n 's/^installed //p'
}

# Runs apt-get as root, with a word about what is happening.
as_root() {
  if [ "$(id -u)" = 0 ]; then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo "$@"
  else
    echo "deps.sh: these packages are missing: ${missing[*]}" >&2
    echo "deps.sh: installing them takes root: run 'apt-get install ${missing[*]}' as root, then start again" >&2
    exit 1
  fi
}

install_packages() {
  local log=build/deps.log
  mkdir -p build
  echo "deps.sh: installing ${missing[*]} (log: $log)" >&2
  if ! { as_root apt-get update && as_root env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y --no-install-recommends "${missing[@]}"; } >"$log" 2>&1 </dev/null; then
    tail -20 "$log" >&2
    echo "deps.sh: apt could not install: ${missing[*]}" >&2
    exit 1
  fi
}

# memtest86+ puts itself into the boot menu when it is installed. Only its disk images are wanted: the package is
# unpacked, not installed.
fetch_memtest() {
  local folder=build/images/memtest86+
  [ -e /usr/lib/memtest86+ ] || [ -e "$folder/usr/lib/memtest86+" ] && return
  mkdir -p "$folder"
  echo "deps.sh: fetching the images of memtest86+" >&2
  if ! { (cd "$folder" && apt-get download -o APT::Sandbox::User=root memtest86+) ||
    { as_root apt-get update && (cd "$folder" && apt-get download -o APT::Sandbox::User=root memtest86+); }; } \
    >build/deps.log 2>&1 </dev/null; then
    tail -20 build/deps.log >&2
    echo "deps.sh: apt could not download memtest86+" >&2
    exit 1
  fi
  dpkg-deb -x "$folder"/memtest86+_*.deb "$folder"
}

wanted=()
groups=("${@:-all}")
for group in "${groups[@]}"; do
  case $group in
    build) wanted+=("${build[@]}") ;;
    run) wanted+=("${run[@]}") ;;
    test) wanted+=("${test[@]}") ;;
    all) wanted+=("${build[@]}" "${run[@]}" "${test[@]}") ;;
    *)
      echo "usage: scripts/deps.sh [build|run|test]..." >&2
      exit 2
      ;;
  esac
done
mapfile -t missing < <(comm -23 <(printf '%s\n' "${wanted[@]}" | sort -u) <(installed "${wanted[@]}" | sort -u))
[ ${#missing[@]} = 0 ] || install_packages
case " ${groups[*]} " in *" run "* | *" all "*) fetch_memtest ;; esac
