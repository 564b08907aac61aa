// The bytes of files and disks, read and compared at the C library's speed: test code is compiled with little or no
// optimisation, where a loop over a disk takes longer than all that is done with the disk.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

namespace platter::test {

// A whole file; a missing one fails the test.
std::vector<std::byte> FileBytes(const std::string& path);

// A file of a Debian package that scripts/deps.sh unpacks without installing it: DebianFile("memtest86+",
// "boot/memtest86+x64.bin").
std::string DebianFile(const std::string& package, const std::string& path);

bool SameBytes(std::span<const std::byte> a, std::span<const std::byte> b);
bool AllZero(std::span<const std::byte> bytes);
// Where the two differ first; the shorter one's length when they are the same up to there.
std::size_t FirstDifference(std::span<const std::byte> a, std::span<const std::byte> b);

}  // namespace platter::test
