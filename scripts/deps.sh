#!/bin/bash
# Installs with apt what is missing. Usage: scripts/deps.sh [build|run|test]...   (without arguments: all of them)
# What is there already is left alone; when nothing is missing, it needs neither rights nor a network.
set -euo pipefail
cd "$(dirname "$0")/.."

build=(g++ dpkg-dev file cmake ninja-build ccache pkg-config libfmt-dev libisal-dev libzstd-dev zlib1g-dev libqcow-dev
  libssl-dev libxxhash-dev libhwy-dev libbz2-dev liblzma-dev liblz4-dev libisofs-dev libext2fs-dev comerr-dev libpugixml-dev
  libinih-dev libseccomp-dev libboost1.81-dev libspdlog-dev prometheus-cpp-dev libcurl4-openssl-dev
  libsoci-dev libsqlite3-dev libmariadb-dev libpq-dev)
run=(grub-rescue-pc e2fsprogs curl)
test=(libgtest-dev libgmock-dev libbenchmark-dev liburing-dev qemu-utils libnbd-bin libqcow-utils libvhdi-dev libvmdk-dev libbfio-dev 7zip e2fsprogs
  grub-rescue-pc python3 man-db bash-completion dpkg-dev file util-linux procps libcap2-bin clang-14 clang-tidy-14 clang-format-14
  libclang-rt-14-dev llvm-14 cpio libarchive-tools bzip2 xz-utils zstd lz4 xfsprogs btrfs-progs squashfs-tools fdisk gdisk dosfstools
  qemu-system-x86 seabios mtools syslinux syslinux-common xorriso genisoimage udftools
  glance-common python3-glance python3-setuptools uwsgi-core uwsgi-plugin-python3 mariadb-server-core
  mariadb-client-core python3-pymysql skopeo umoci virt-v2v keystone python3-openstackclient python3-glanceclient memcached
  python3-memcache curl openssl postgresql libeatmydata1 galera-4)

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

# What Glance's packages bring along are services, which must not start on the machine where tests run.
start_no_services() {
  local policy=/usr/sbin/policy-rc.d
  [ -e "$policy" ] && return
  # shellcheck disable=SC2064  # the path as it is now
  trap "as_root rm -f $policy" EXIT
  printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
  as_root chmod 755 "$policy"
}

# What Keystone's and Glance's packages ask when they are configured: no database, no user, no endpoint of theirs.
answer_questions() {
  command -v debconf-set-selections >/dev/null || return 0
  local question
  {
    for question in configure_db create-admin-tenant register-endpoint; do
      echo "keystone keystone/$question boolean false"
    done
    for question in glance/configure_db glance/configure_ksat glance/configure_rabbit glance-common/configure_db; do
      echo "glance-common $question boolean false"
    done
  } | as_root debconf-set-selections
}

install_packages() {
  local log=build/deps.log
  mkdir -p build
  echo "deps.sh: installing ${missing[*]} (log: $log)" >&2
  start_no_services
  answer_questions
  if ! { as_root apt-get update && as_root env DEBIAN_FRONTEND=noninteractive \
    apt-get install -y --no-install-recommends "${missing[@]}"; } >"$log" 2>&1 </dev/null; then
    tail -20 "$log" >&2
    echo "deps.sh: apt could not install: ${missing[*]}" >&2
    exit 1
  fi
}

# Packages whose files are wanted, but not their installation: memtest86+ puts itself into the boot menu, a kernel makes
# itself bootable, the installer is large. They are unpacked into build/images/NAME.
# fetch NAME PACKAGE PATTERN: unless a file build/images/NAME/PATTERN is there.
fetch() {
  local folder=build/images/$1 package=$2
  compgen -G "$folder/$3" >/dev/null && return
  mkdir -p "$folder"
  echo "deps.sh: fetching the files of $package" >&2
  if ! { (cd "$folder" && apt-get download -o APT::Sandbox::User=root "$package") ||
    { as_root apt-get update && (cd "$folder" && apt-get download -o APT::Sandbox::User=root "$package"); }; } \
    >build/deps.log 2>&1 </dev/null; then
    tail -20 build/deps.log >&2
    echo "deps.sh: apt could not download $package" >&2
    exit 1
  fi
  dpkg-deb -x "$folder"/*.deb "$folder"
  rm "$folder"/*.deb
}

fetch_memtest() {
  fetch memtest86+ memtest86+ 'usr/lib/memtest86+'
}

# The metapackage names the kernel's package of the day.
fetch_kernels() {
  fetch debian-installer-12-netboot-amd64 debian-installer-12-netboot-amd64 'usr/lib/debian-installer/images/12'
  compgen -G 'build/images/linux-image-cloud-amd64/boot/vmlinuz-*' >/dev/null && return
  local package
  package=$(apt-cache depends linux-image-cloud-amd64 | sed -n 's/^ *Depends: \(linux-image-[0-9].*\)/\1/p')
  fetch linux-image-cloud-amd64 "${package:-linux-image-cloud-amd64}" 'boot/vmlinuz-*'
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
case " ${groups[*]} " in *" run "* | *" test "* | *" all "*) fetch_memtest ;; esac
case " ${groups[*]} " in *" test "* | *" all "*) fetch_kernels ;; esac
