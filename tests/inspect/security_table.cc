#include "tests/inspect/security_table.h"

#include <fstream>
#include <sstream>

namespace platter::test {
namespace {

std::string Trimmed(const std::string& text) {
  const std::size_t begin = text.find_first_not_of(" `");
  return begin == std::string::npos ? "" : text.substr(begin, text.find_last_not_of(" `") - begin + 1);
}

std::vector<std::string> Cells(const std::string& line) {
  std::vector<std::string> cells;
  std::istringstream in(line.substr(1));
  for (std::string cell; std::getline(in, cell, '|');) cells.push_back(Trimmed(cell));
  return cells;
}

}  // namespace

std::vector<std::vector<std::string>> SecurityTable(const std::string& title) {
  std::ifstream file(PLATTER_SECURITY_PAGE);
  std::vector<std::vector<std::string>> rows;
  bool inside = false;
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("## ")) inside = line == "## " + title;
    if (inside && line.starts_with("|") && !line.starts_with("|-") && !line.starts_with("| -"))
      rows.push_back(Cells(line));
  }
  return rows;
}

}  // namespace platter::test
