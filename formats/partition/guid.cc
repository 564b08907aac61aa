#include "formats/partition/guid.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>

namespace platter::partition {
namespace {

using GptRow = std::pair<std::string_view, std::string_view>;
constexpr std::array kGptTypes = {
    GptRow{"c12a7328-f81f-11d2-ba4b-00a0c93ec93b", "EFI system"},
    GptRow{"21686148-6449-6e6f-744e-656564454649", "BIOS boot"},
    GptRow{"0fc63daf-8483-4772-8e79-3d69d8477de4", "Linux filesystem"},
    GptRow{"4f68bce3-e8cd-4db1-96e7-fbcaf984b709", "Linux root (x86-64)"},
    GptRow{"44479540-f297-41b2-9af7-d131d5f0458a", "Linux root (x86)"},
    GptRow{"b921b045-1df0-41c3-af44-4c6f280d3fae", "Linux root (ARM64)"},
    GptRow{"69dad710-2ce4-4e3c-b16c-21a1d49abed3", "Linux root (ARM)"},
    GptRow{"bc13c2ff-59e6-4262-a352-b275fd6f7172", "Linux extended boot"},
    GptRow{"0657fd6d-a4ab-43c4-84e5-0933c84b4f4f", "Linux swap"},
    GptRow{"933ac7e1-2eb4-4f13-b844-0e14e2aef915", "Linux home"},
    GptRow{"e6d6d379-f507-44c2-a23c-238f2a3df928", "Linux LVM"},
    GptRow{"a19d880f-05fc-4d3b-a006-743f0f84911e", "Linux RAID"},
    GptRow{"ebd0a0a2-b9e5-4433-87c0-68b6b72699c7", "Microsoft basic data"},
    GptRow{"e3c9e316-0b5c-4db8-817d-f92df00215ae", "Microsoft reserved"},
    GptRow{"de94bba4-06d1-4d40-a16a-bfd50179d6ac", "Windows recovery"},
    GptRow{"9e1a2d38-c612-4316-aa26-8b49521e5a8b", "PowerPC PReP boot"},
};

using MbrRow = std::pair<std::uint8_t, std::string_view>;
constexpr std::array kMbrTypes = {
    MbrRow{0x01, "FAT12"},
    MbrRow{0x04, "FAT16"},
    MbrRow{0x05, "extended"},
    MbrRow{0x06, "FAT16"},
    MbrRow{0x07, "NTFS or exFAT"},
    MbrRow{0x0B, "FAT32"},
    MbrRow{0x0C, "FAT32"},
    MbrRow{0x0E, "FAT16"},
    MbrRow{0x0F, "extended"},
    MbrRow{0x17, "hidden NTFS"},
    MbrRow{0x27, "Windows recovery"},
    MbrRow{0x41, "PReP boot"},
    MbrRow{0x82, "Linux swap"},
    MbrRow{0x83, "Linux filesystem"},
    MbrRow{0x85, "Linux extended"},
    MbrRow{0x8E, "Linux LVM"},
    MbrRow{0xA5, "FreeBSD"},
    MbrRow{0xEE, "GPT protective"},
    MbrRow{0xEF, "EFI system"},
    MbrRow{0xFD, "Linux RAID"},
};

}  // namespace

std::string GuidText(std::span<const std::byte, kGuidSize> guid) {
  const std::byte* at = guid.data();
  std::string text = fmt::format("{:08x}-{:04x}-{:04x}-", LoadLe<std::uint32_t>(at), LoadLe<std::uint16_t>(at + 4),
                                 LoadLe<std::uint16_t>(at + 6));
  for (std::size_t i = 8; i < kGuidSize; ++i) {
    text += fmt::format("{:02x}", std::to_integer<unsigned>(guid[i]));
    if (i == 9) text += '-';
  }
  return text;
}

std::string_view GptTypeName(std::string_view guid) noexcept {
  const auto found = std::ranges::find(kGptTypes, guid, &GptRow::first);
  return found == kGptTypes.end() ? "" : found->second;
}

std::string_view MbrTypeName(std::uint8_t type) noexcept {
  const auto found = std::ranges::find(kMbrTypes, type, &MbrRow::first);
  return found == kMbrTypes.end() ? "" : found->second;
}

}  // namespace platter::partition
