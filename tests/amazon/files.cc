#include "tests/amazon/files.h"

#include "tests/support/content.h"

namespace platter::amazon {

std::string DebianInstaller(const std::string& name) {
  return test::DebianFile("debian-installer-12-netboot-amd64",
                          "usr/lib/debian-installer/images/12/amd64/text/debian-installer/amd64/" + name);
}

std::string CloudKernel() {
  for (const auto& entry : std::filesystem::directory_iterator(test::DebianFile("linux-image-cloud-amd64", "boot"))) {
    if (entry.path().filename().string().starts_with("vmlinuz-")) return entry.path().string();
  }
  ADD_FAILURE() << "no kernel: run scripts/deps.sh test";
  return "";
}

}  // namespace platter::amazon
