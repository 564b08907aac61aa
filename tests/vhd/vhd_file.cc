#include "tests/vhd/vhd_file.h"

#include <algorithm>
#include <fstream>
#include <utility>

namespace platter::test {
namespace {

constexpr std::size_t kFooterSum = 64;
constexpr std::size_t kHeaderSum = 36;

void FixSum(Bytes& file, std::size_t begin, std::size_t length, std::size_t field) {
  PutBe(file, begin + field, 0, 4);
  std::uint32_t sum = 0;
  for (std::size_t at = begin; at < begin + length; ++at) sum += std::to_integer<std::uint32_t>(file[at]);
  PutBe(file, begin + field, ~sum, 4);
}

void Append(Bytes& file, const Bytes& more) { file.insert(file.end(), more.begin(), more.end()); }

Bytes MakeHeader(const SparseFields& fields, std::size_t entries) {
  Bytes header(1024);
  PutText(header, 0, "cxsparse");
  PutBe(header, 8, ~std::uint64_t{0}, 8);
  PutBe(header, 16, kTableAt, 8);
  PutBe(header, 24, 0x10000, 4);
  PutBe(header, 28, entries, 4);
  PutBe(header, 32, fields.block_size, 4);
  std::fill_n(header.begin() + 40, 16, fields.parent_id);
  for (std::size_t at = 0; at < fields.parent_name.size(); ++at) {
    PutBe(header, 64 + 2 * at, static_cast<unsigned char>(fields.parent_name[at]), 2);
  }
  return header;
}

}  // namespace

void PutBe(Bytes& bytes, std::size_t offset, std::uint64_t value, std::size_t width) {
  for (std::size_t at = width; at-- > 0; value >>= 8) bytes.at(offset + at) = static_cast<std::byte>(value);
}

void PutText(Bytes& bytes, std::size_t offset, const std::string& text) {
  for (std::size_t at = 0; at < text.size(); ++at) bytes.at(offset + at) = static_cast<std::byte>(text[at]);
}

void FixFooter(Bytes& file, std::size_t begin) { FixSum(file, begin, 512, kFooterSum); }
void FixHeader(Bytes& file, std::size_t begin) { FixSum(file, begin, 1024, kHeaderSum); }

Bytes MakeFooter(const FooterFields& fields) {
  Bytes footer(512);
  PutText(footer, 0, "conectix");
  PutBe(footer, 8, 2, 4);
  PutBe(footer, 12, 0x10000, 4);
  PutBe(footer, 16, fields.type == 2 ? ~std::uint64_t{0} : 512, 8);
  PutBe(footer, 24, 0x2A000000, 4);
  PutText(footer, 28, fields.creator);
  PutBe(footer, 32, 0x60001, 4);
  PutText(footer, 36, "Wi2k");
  PutBe(footer, 40, fields.size, 8);
  PutBe(footer, 48, fields.size, 8);
  PutBe(footer, 56, fields.cylinders, 2);
  PutBe(footer, 58, fields.heads, 1);
  PutBe(footer, 59, fields.sectors, 1);
  PutBe(footer, 60, fields.type, 4);
  std::fill_n(footer.begin() + 68, 16, fields.id);
  FixFooter(footer, 0);
  return footer;
}

Bytes MakeSparse(const SparseFields& fields) {
  const std::size_t entries = (fields.footer.size + fields.block_size - 1) / fields.block_size;
  Bytes file = MakeFooter(fields.footer);
  Append(file, MakeHeader(fields, entries));
  file.resize(kTableAt + (entries * 4 + 511) / 512 * 512, std::byte{0xFF});
  for (std::size_t index = 0; index < fields.locators.size(); ++index) {
    const auto& [platform, content] = fields.locators[index];
    const std::size_t at = 512 + 576 + 24 * index;
    PutText(file, at, platform);
    PutBe(file, at + 4, 512, 4);
    PutBe(file, at + 8, content.size(), 4);
    PutBe(file, at + 16, file.size(), 8);
    Append(file, content);
    file.resize((file.size() + 511) / 512 * 512);
  }
  const std::size_t bitmap = ((fields.block_size / 512 + 7) / 8 + 511) / 512 * 512;
  for (const auto& [number, block] : fields.blocks) {
    PutBe(file, kTableAt + 4 * number, file.size() / 512, 4);
    file.resize(file.size() + bitmap, block.bitmap);
    file.resize(file.size() + fields.block_size, block.fill);
  }
  FixHeader(file);
  Append(file, MakeFooter(fields.footer));
  return file;
}

Bytes MakeFixed(const FooterFields& fields, std::byte fill) {
  Bytes file(fields.size, fill);
  FooterFields fixed = fields;
  fixed.type = 2;
  Append(file, MakeFooter(fixed));
  return file;
}

Bytes Utf16Le(const std::string& ascii) {
  Bytes bytes;
  for (const char letter : ascii) {
    bytes.push_back(static_cast<std::byte>(letter));
    bytes.push_back(std::byte{0});
  }
  return bytes;
}

Bytes Ascii(const std::string& text) {
  Bytes bytes(text.size());
  PutText(bytes, 0, text);
  return bytes;
}

std::shared_ptr<MemoryStorage> InMemory(Bytes bytes, const std::string& name) {
  return std::make_shared<MemoryStorage>(name, std::move(bytes));
}

void SaveFile(const Bytes& bytes, const std::string& path) {
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
}

}  // namespace platter::test
