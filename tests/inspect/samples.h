// Images to be inspected, as bytes: made by the tools that write them, then changed as a forger would.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace platter::test {

using Bytes = std::vector<std::byte>;

Bytes ToBytes(std::string_view text);
// The built `platter`, for commands.
std::string Tool();
// The file that `commands` make: run one after the other in a folder of their own in which they find base.raw (1 MiB of
// zeros) and make the file "image".
Bytes MadeBy(const std::vector<std::vector<std::string>>& commands);
// `qemu-img create` with these words before "image".
Bytes Created(const std::vector<std::string>& words, const std::string& size = "");
// 3 MiB, half of it data, converted by qemu-img with these words.
Bytes Converted(const std::vector<std::string>& words);
// The same by another program with qemu-img's command line.
Bytes ConvertedBy(const std::string& program, const std::vector<std::string>& words);

// The same bytes with others laid over them, which may reach past the end.
Bytes With(Bytes bytes, std::uint64_t offset, const Bytes& patch);
Bytes With(Bytes bytes, std::uint64_t offset, std::string_view patch);
// Big-endian, as qcow2 has its numbers.
Bytes WithBe32(Bytes bytes, std::uint64_t offset, std::uint32_t value);
Bytes WithBe64(Bytes bytes, std::uint64_t offset, std::uint64_t value);
Bytes WithLe32(Bytes bytes, std::uint64_t offset, std::uint32_t value);
Bytes WithLe64(Bytes bytes, std::uint64_t offset, std::uint64_t value);
// Every `from` as `to`, which has the same length.
Bytes Replaced(Bytes bytes, std::string_view from, std::string_view to);
Bytes First(Bytes bytes, std::uint64_t length);
Bytes WithoutLast(Bytes bytes, std::uint64_t length);

// A VMDK descriptor with one line for its extents.
Bytes VmdkDescriptor(const std::string& create_type, const std::string& extent);
// A CD image that Debian ships, about 5 MB.
Bytes RealIso();
// An archive of one small file, stored as it is, that ends with a comment of that many bytes.
Bytes Zip(std::size_t comment = 0);
// The second header of a LUKS disk of version 2, for that place in the file.
Bytes SecondLuksHeader(std::uint64_t place);
// A disk with a GUID partition table.
Bytes GptDisk();

}  // namespace platter::test
