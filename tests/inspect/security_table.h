// The tables of docs/security.md: what they promise is what the tests expect.
#pragma once

#include <string>
#include <vector>

namespace platter::test {

// The cells of every row below the heading `title`, without the line that separates the column names. Empty when there
// is no such table.
std::vector<std::vector<std::string>> SecurityTable(const std::string& title);

}  // namespace platter::test
