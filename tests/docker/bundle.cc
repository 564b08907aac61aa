#include "tests/docker/bundle.h"

#include <unistd.h>

namespace platter::test {
namespace {

// Without root's rights umoci maps all owners to ours, and makes no devices.
constexpr const char* kFunctions = R"sh(
export LC_ALL=C TZ=UTC PATH=$PATH:/sbin:/usr/sbin
platter=$PLATTER
rootless=; [ "$(id -u)" = 0 ] || rootless=--rootless
unpack() { umoci unpack $rootless --image "$1" "$2" >umoci.log 2>&1; }
repack() { umoci repack --image "$1" "$2" >umoci.log 2>&1; rm -rf "$2"; }
listing() {
  (
    cd "$1"
    find . -name lost+found -prune -o -printf '%P|%y|%m|%U|%G|%T@|%l|%n|%s\n' |
      sed -E 's/^([^|]*\|d.*\|)[0-9]+\|[0-9]+$/\1/' | sort
    find . -type f -print0 | sort -z | xargs -0 sha256sum
    find . '(' -type b -o -type c ')' -printf '%P ' -exec stat -c '%t %T' {} ';' | sort
    /usr/bin/python3 - <<'END'
import os
for folder, folders, files in os.walk("."):
    folders.sort()
    for name in sorted(folders + files):
        path = os.path.join(folder, name)
        for key in sorted(os.listxattr(path, follow_symlinks=False)):
            print(path, key, os.getxattr(path, key, follow_symlinks=False))
END
  )
}
)sh";

constexpr const char* kLayout = R"sh(
umoci init --layout oci
umoci new --image oci:v1
unpack oci:v1 b
cd b/rootfs
mkdir -p bin etc d/sub gone/deep kept many var/empty
echo hello >etc/hostname
head -c 3000000 /dev/urandom >bin/prog
chmod 4755 bin/prog
ln bin/prog bin/second
ln -s prog bin/sh
ln -s /$(head -c 100 /dev/zero | tr '\0' a) etc/long
: >etc/empty
mkfifo etc/pipe
echo lower >d/a
echo lower >d/b
echo x >gone/deep/file
echo x >kept/file
touch -d '1969-01-01 00:00:01.5' kept/file
touch -d '2200-01-01 00:00:01.123456789' d/b
for i in $(seq 150); do echo $i >many/a-name-of-some-length-$i-$(head -c 60 /dev/zero | tr '\0' y); done
/usr/bin/python3 -c "
import os
os.setxattr('d/b', 'user.a', b'hello')
os.setxattr('d', 'user.folder', b'v' * 700)
"
if [ -z "$rootless" ]; then
  mkdir dev
  mknod dev/null c 1 3
  mknod dev/big b 300 70000
  chown 1000:70000 kept/file
  setcap cap_net_raw+ep bin/prog
fi
touch -d '2021-02-03 04:05:06' etc/hostname
cd ../..
repack oci:v1 b
unpack oci:v1 b
cd b/rootfs
rm -rf gone bin/second d/a
echo new >var/file
rmdir var/empty
echo file >var/empty
echo upper >d/c
chmod 700 d
cd ../..
repack oci:v1 b
unpack oci:v1 ref
)sh";

}  // namespace

CommandResult Bundle::Try(const std::string& script) {
  return RunCommand({"sh", "-ec", kFunctions + script},
                    {.folder = folder_.path().string(), .environment = {"PLATTER=" PLATTER_TOOL}});
}

std::string Bundle::Shell(const std::string& script) {
  return MustRun({"sh", "-ec", kFunctions + script},
                 {.folder = folder_.path().string(), .environment = {"PLATTER=" PLATTER_TOOL}});
}

void Bundle::MakeLayout() { Shell(kLayout); }

std::string Bundle::Stat(const std::string& image, const std::string& path) {
  return Shell("debugfs -R 'stat \"" + path + "\"' " + image + " 2>/dev/null");
}

void Bundle::ExpectSound(const std::string& image) {
  const CommandResult fsck = Try("e2fsck -fn " + image + " 2>&1");
  EXPECT_EQ(fsck.exit_code, 0) << fsck.out;
}

}  // namespace platter::test
