#include "tests/containers/tar_bytes.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <span>

namespace platter::test {

void MendTarHeader(std::string& archive, std::size_t at) {
  archive.replace(at + 148, 8, 8, ' ');
  unsigned sum = 0;
  for (std::size_t byte = 0; byte < 512; ++byte) sum += static_cast<unsigned char>(archive[at + byte]);
  archive.replace(at + 148, 8, fmt::format("{:06o}", sum) + std::string("\0 ", 2));
}

std::string TarMember(const TarEntry& entry) {
  std::string block(512, '\0');
  const auto put = [&](std::size_t at, std::string_view text) { block.replace(at, text.size(), text); };
  put(0, entry.name.substr(0, 100));
  put(100, "0000644");
  put(108, "0000000");
  put(116, "0000000");
  put(124, entry.size_field.empty() ? fmt::format("{:011o}", entry.content.size()) : entry.size_field);
  put(136, "00000000000");
  block[156] = entry.type;
  put(157, entry.link.substr(0, 100));
  if (entry.ustar)
    put(257, std::string_view("ustar\0"
                              "00",
                              8));
  put(257, entry.magic);
  put(345, entry.prefix);
  MendTarHeader(block, 0);
  block += entry.content;
  block.append((512 - entry.content.size() % 512) % 512, '\0');
  return block;
}

std::string TarPax(const std::vector<std::string>& records, char type) {
  std::string text;
  for (const std::string& record : records) {
    std::size_t length = record.size() + 3;
    while (length != record.size() + 2 + std::to_string(length).size()) ++length;
    text += fmt::format("{} {}\n", length, record);
  }
  return TarMember({.name = "PaxHeader", .content = text, .type = type});
}

std::string GnuMagic() { return {"ustar  \0", 8}; }
std::string GnuSparseMap() { return fmt::format("{}00000001000{}00000001000", std::string(41, '\0'), '\0'); }

std::string TarArchive(const std::vector<std::string>& members) {
  return std::accumulate(members.begin(), members.end(), std::string()) + std::string(1024, '\0');
}

std::string Base256(std::string_view tail) {
  std::string field(12, '\0');
  field[0] = '\x80';
  field.replace(12 - tail.size(), tail.size(), tail);
  return field;
}

std::vector<std::byte> AsBytes(std::string_view text) {
  const auto bytes = std::as_bytes(std::span(text));
  return {bytes.begin(), bytes.end()};
}

}  // namespace platter::test
