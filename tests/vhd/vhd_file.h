// VHD files built from the specification, byte by byte, without the code under test.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "formats/core/memory_storage.h"

namespace platter::test {

constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;
constexpr std::size_t kTableAt = 1536;

using Bytes = std::vector<std::byte>;

void PutBe(Bytes& bytes, std::size_t offset, std::uint64_t value, std::size_t width);
void PutText(Bytes& bytes, std::size_t offset, const std::string& text);

struct FooterFields {
  std::string creator = "win ";
  std::uint64_t size = 0;
  std::uint32_t cylinders = 0;
  std::uint32_t heads = 0;
  std::uint32_t sectors = 0;
  std::uint32_t type = 3;
  std::byte id{0x11};  // every byte of the unique id
};

Bytes MakeFooter(const FooterFields& fields);
// Makes the checksum of the footer or dynamic disk header at `begin` right again.
void FixFooter(Bytes& file, std::size_t begin);
void FixHeader(Bytes& file, std::size_t begin = 512);

struct Block {
  std::byte fill{};
  std::byte bitmap{0xFF};  // every byte of it
};

struct SparseFields {
  FooterFields footer;
  std::uint64_t block_size = 2 * kMiB;
  std::map<std::uint32_t, Block> blocks = {};
  std::byte parent_id{};
  std::string parent_name = "";                              // ASCII
  std::vector<std::pair<std::string, Bytes>> locators = {};  // platform code and content
};

// Footer, header, table, locators' content, blocks, footer.
Bytes MakeSparse(const SparseFields& fields);
// The disk filled with one byte, and a footer.
Bytes MakeFixed(const FooterFields& fields, std::byte fill);

Bytes Utf16Le(const std::string& ascii);
Bytes Ascii(const std::string& text);

std::shared_ptr<MemoryStorage> InMemory(Bytes bytes, const std::string& name = "image.vhd");
void SaveFile(const Bytes& bytes, const std::string& path);

}  // namespace platter::test
