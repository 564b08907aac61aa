// Disks of `platter amazon join` start, in every format that qemu-system-x86_64 starts from.
#include <fmt/format.h>
#include <unistd.h>

#include <ostream>
#include <string>

#include "tests/amazon/joined_disk.h"

namespace platter::amazon {
namespace {

struct StartCase {
  const char* format;
  const char* qemu_name;
  bool without_kvm;  // started even where the processor has to be emulated, which takes ten seconds
};
void PrintTo(const StartCase& tested, std::ostream* out) { *out << tested.format; }

class StartTest : public JoinedDisk, public testing::WithParamInterface<StartCase> {
 protected:
  // The ramdisk's init says which command line it got, and switches the machine off.
  StartTest() {
    std::ofstream(folder_.File("init.c")) << R"(
    #include <fcntl.h>
    #include <stdio.h>
    #include <sys/mount.h>
    #include <sys/reboot.h>
    #include <sys/stat.h>
    #include <unistd.h>
    int main(void) {
      char line[2048] = "";
      mkdir("/proc", 0755);
      mount("proc", "/proc", "proc", 0, 0);
      int fd = open("/proc/cmdline", O_RDONLY);
      if (fd < 0 || read(fd, line, sizeof line - 1) < 0) return 1;
      printf("\nplatter-marker %s\n", line);
      fflush(stdout);
      return reboot(RB_POWER_OFF);
    })";
    Shell("cc -static -Os -o init init.c; echo init | cpio -o --quiet -H newc -R 0:0 | gzip -n >a.ari; ln -sf " +
          CloudKernel() + " a.aki");
  }

  // What the guest said until it switched itself off, ran into what this host's KVM cannot do, or used up its time.
  std::string Start(const std::string& accelerator, const std::string& drive, int seconds) {
    Shell(fmt::format(
        ": >serial; : >errors; timeout {} qemu-system-x86_64 -accel {} -m 512 -display none -serial file:serial "
        "-no-reboot -nic none -drive file={} 2>errors & machine=$!; "
        "while kill -0 $machine 2>/dev/null && ! grep -q 'KVM internal error' errors; do sleep 0.2; done; "
        "kill $machine 2>/dev/null || true; wait $machine || true",
        seconds, accelerator, drive));
    return Shell("cat serial errors");
  }

  // Whether a machine starts in KVM at all, which is not the case wherever there is a /dev/kvm: what boot loaders do in
  // real mode is more than some hosts' KVM can emulate.
  bool KvmWorks() {
    static const bool works = [this] {
      if (access("/dev/kvm", R_OK | W_OK) != 0) return false;
      ExpectJoined("probe.raw");
      return Start("kvm", "probe.raw,format=raw", 20).find("platter-marker") != std::string::npos;
    }();
    return works;
  }
};

TEST_P(StartTest, InThisFormat) {
  const StartCase& tested = GetParam();
  ExpectJoined(fmt::format("-O {} disk", tested.format));
  const bool kvm = KvmWorks();
  if (kvm || tested.without_kvm) {
    const std::string said = Start(kvm ? "kvm" : "tcg", fmt::format("disk,format={}", tested.qemu_name), 240);
    EXPECT_THAT(said, testing::ContainsRegex("platter-marker BOOT_IMAGE=/vmlinuz root=PARTUUID=[0-9a-f]*-02 ro"));
    return;
  }
  fmt::print("No usable KVM: the {} disk is compared with the raw one, not started\n", tested.format);
  ExpectJoined("disk.raw");
  Shell(fmt::format("qemu-img compare -f raw -F {} disk.raw disk", tested.qemu_name));
}

constexpr StartCase kCases[] = {
    {"raw", "raw", false},  {"qcow2", "qcow2", true}, {"vhd", "vpc", false},         {"vhdx", "vhdx", true},
    {"vmdk", "vmdk", true}, {"vdi", "vdi", false},    {"ploop", "parallels", false},
};

INSTANTIATE_TEST_SUITE_P(All, StartTest, testing::ValuesIn(kCases),
                         [](const auto& tested) { return tested.param.format; });

}  // namespace
}  // namespace platter::amazon
