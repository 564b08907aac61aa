// GUIDs as partition tables store them, and what the known ones mean.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "formats/partition/layout.h"

namespace platter::partition {

// "0fc63daf-8483-4772-8e79-3d69d8477de4": the first three groups are little-endian on the disk.
std::string GuidText(std::span<const std::byte, kGuidSize> guid);

// What a GPT partition type GUID, or an MBR type byte, stands for; "" when unknown.
std::string_view GptTypeName(std::string_view guid) noexcept;
std::string_view MbrTypeName(std::uint8_t type) noexcept;

}  // namespace platter::partition
