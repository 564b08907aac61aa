#include "tests/amazon/joined_disk.h"

namespace platter::amazon {

test::CommandResult JoinedDisk::Join(const std::string& arguments) {
  return test::RunCommand({"sh", "-c", std::string(PLATTER_TOOL " amazon join ") + arguments}, Here());
}

}  // namespace platter::amazon
