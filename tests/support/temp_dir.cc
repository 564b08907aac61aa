#include "tests/support/temp_dir.h"

#include <gtest/gtest.h>
#include <cstdlib>

#include <cerrno>
#include <system_error>

namespace platter::test {

TempDir::TempDir() {
  std::string name = testing::TempDir() + "/platter-XXXXXX";
  if (mkdtemp(name.data()) == nullptr) throw std::system_error(errno, std::generic_category(), name);
  path_ = name;
}

TempDir::~TempDir() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

}  // namespace platter::test
