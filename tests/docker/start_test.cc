// From a container image to a machine that starts: flatten, join with Debian's cloud kernel, qemu.
#include <fmt/format.h>
#include <unistd.h>

#include <filesystem>

#include "tests/docker/bundle.h"

namespace platter::test {
namespace {

// The ramdisk's init loads the driver of the disk, mounts the second partition and starts what the image has as
// /sbin/init; that prints a file of the image and switches the machine off.
constexpr const char* kMake = R"sh(
cat >start.c <<'END'
#include <fcntl.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
int main(void) {
  char name[32];
  for (int number = 1; number <= 6; ++number) {
    snprintf(name, sizeof name, "/modules/%d.ko", number);
    int module = open(name, O_RDONLY);
    if (module < 0 || syscall(SYS_finit_module, module, "", 0) != 0) perror(name);
  }
  mkdir("/dev", 0755);
  mkdir("/root", 0755);
  mount("dev", "/dev", "devtmpfs", 0, 0);
  for (int tries = 0; tries < 100 && mount("/dev/vda2", "/root", "ext4", MS_RDONLY, 0) != 0; ++tries) usleep(100000);
  if (chdir("/root") != 0 || chroot(".") != 0) perror("root");
  execl("/sbin/init", "/sbin/init", (char*)0);
  perror("/sbin/init");
  return 1;
}
END
cat >init.c <<'END'
#include <stdio.h>
#include <sys/reboot.h>
int main(void) {
  char text[100] = "";
  FILE* file = fopen("/etc/motd", "r");
  if (file != 0 && fgets(text, sizeof text, file) == 0) text[0] = 0;
  printf("\nplatter-marker %s\n", text);
  fflush(stdout);
  return reboot(RB_POWER_OFF);
}
END
cc -static -Os -o start start.c
mkdir -p rd/modules t/sbin t/etc
cp start rd/init
number=0
for module in virtio/virtio_ring virtio/virtio virtio/virtio_pci_modern_dev virtio/virtio_pci_legacy_dev \
  virtio/virtio_pci block/virtio_blk; do
  number=$((number + 1))
  cp $KERNEL/lib/modules/*/kernel/drivers/$module.ko rd/modules/$number.ko
done
(cd rd && find . | cpio -o --quiet -H newc -R 0:0 | gzip -n >../initrd.img)
cc -static -Os -o t/sbin/init init.c
echo lower >t/etc/motd
tar -C t -cf one.tar .
echo from the upper layer >t/etc/motd
tar -C t -cf two.tar etc/motd
umoci init --layout image
umoci new --image image:v1
umoci raw add-layer --image image:v1 one.tar >umoci.log 2>&1
umoci raw add-layer --image image:v1 two.tar >umoci.log 2>&1
skopeo --insecure-policy --tmpdir $PWD copy -q oci:image:v1 docker-archive:image.tar:web:v1 >skopeo.log
$platter docker flatten -q image.tar web.ami
$platter amazon join -q --ami web.ami --aki $KERNEL/boot/vmlinuz-* --ari initrd.img -O qcow2 web.qcow2
)sh";

class Start : public Bundle {
 protected:
  // What the machine said until it switched itself off, KVM gave up, or its time was over.
  std::string Run(const std::string& accelerator, int seconds) {
    return Shell(fmt::format(
        ": >serial; : >errors; timeout {} qemu-system-x86_64 -accel {} -m 512 -display none -serial file:serial "
        "-no-reboot -nic none -drive file=web.qcow2,format=qcow2,if=virtio 2>errors & machine=$!; "
        "while kill -0 $machine 2>/dev/null && ! grep -q 'KVM internal error' errors; do sleep 0.2; done; "
        "kill $machine 2>/dev/null || true; wait $machine || true; tail -n 200 serial errors",
        seconds, accelerator));
  }
};

TEST_F(Start, AContainerImageStartsAsAMachine) {
  Shell("export TMPDIR=$PWD KERNEL=" PLATTER_IMAGES "/linux-image-cloud-amd64; " + std::string(kMake));
  std::string said;
  // Not every KVM can do what boot loaders do in real mode.
  if (access("/dev/kvm", R_OK | W_OK) == 0) said = Run("kvm", 30);
  if (said.find("platter-marker") == std::string::npos) said = Run("tcg", 600);
  EXPECT_THAT(said, testing::HasSubstr("platter-marker from the upper layer"));
}

}  // namespace
}  // namespace platter::test
