// A file system of its own, small or read-only when a test wants it so. Takes root.
#pragma once

#include <gtest/gtest.h>
#include <sys/mount.h>

#include <filesystem>
#include <string>
#include <utility>

namespace platter::test {

class Mounted {
 public:
  // `size`: "size=1m". The folder is made where it is missing.
  Mounted(std::string path, const char* size) : path_(std::move(path)) {
    std::filesystem::create_directory(path_);
    EXPECT_EQ(mount("tmpfs", path_.c_str(), "tmpfs", 0, size), 0) << "mounting takes root";
  }
  ~Mounted() { EXPECT_EQ(umount2(path_.c_str(), MNT_DETACH), 0); }
  Mounted(const Mounted&) = delete;
  Mounted& operator=(const Mounted&) = delete;
  const std::string& path() const noexcept { return path_; }

  void ReadOnly(bool on) const {
    EXPECT_EQ(mount(nullptr, path_.c_str(), nullptr, MS_REMOUNT | (on ? static_cast<unsigned long>(MS_RDONLY) : 0UL),
                    nullptr),
              0);
  }

 private:
  const std::string path_;
};

}  // namespace platter::test
