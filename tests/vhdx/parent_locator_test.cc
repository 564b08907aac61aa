// Parents' names as Windows and others write them, and what they are here.
#include "formats/vhdx/parent_locator.h"

#include <gtest/gtest.h>

#include "formats/vhdx/layout.h"
#include "formats/vhdx/utf16.h"

namespace platter::test {
namespace {

using namespace vhdx;

constexpr Guid kLinkage = *Guid::Parse("{DC77C7EC-8ED2-EBE8-408D-8427D329E3C1}");

ParentLocator With(std::vector<std::pair<std::string, std::string>> pairs) {
  pairs.emplace_back(kParentLinkage, kLinkage.Text());
  return {std::move(pairs)};
}

TEST(ParentLocator, NamesFilesOfThisHost) {
  using Paths = std::vector<std::string>;
  const std::pair<ParentLocator, Paths> cases[] = {
      {With({{"relative_path", ".\\base.vhdx"}}), {"base.vhdx"}},
      {With({{"relative_path", "..\\a\\base.vhdx"}}), {"../a/base.vhdx"}},
      {With({{"relative_path", "nbd:x.vhdx"}}), {"./nbd:x.vhdx"}},
      {With({{"absolute_win32_path", "\\\\?\\C:\\vm\\base.vhdx"}}), {"/vm/base.vhdx", "base.vhdx"}},
      {With({{"absolute_win32_path", "D:\\base.vhdx"}}), {"/base.vhdx", "base.vhdx"}},
      {With({{"absolute_win32_path", "\\\\server\\share\\base.vhdx"}}), {"base.vhdx"}},
      {With({{"volume_path", "\\\\?\\Volume{26a21bda-a627-11d7-9931-806e6f6e6963}\\vm\\base.vhdx"}}),
       {"/vm/base.vhdx", "base.vhdx"}},
      {With({{"absolute_win32_path", "C:\\b.vhdx"}, {"relative_path", "a\\b.vhdx"}}),
       {"a/b.vhdx", "/b.vhdx", "b.vhdx"}},
      {MakeParentLocator("/srv/base.vhdx", kLinkage), {"/srv/base.vhdx", "base.vhdx"}},
      {MakeParentLocator("../base.vhdx", kLinkage), {"../base.vhdx"}},
      {MakeParentLocator("d\u00fcnn/\U0001F4BE.vhdx", kLinkage), {"d\u00fcnn/\U0001F4BE.vhdx"}},
  };
  for (const auto& [locator, paths] : cases) {
    const auto parsed = ParseParentLocator(SerializeParentLocator(locator), 0);
    ASSERT_TRUE(parsed.ok()) << parsed.error().Describe();
    EXPECT_EQ(parsed.value().Paths(), paths);
    EXPECT_EQ(parsed.value().linkage(), kLinkage);
  }
}

TEST(ParentLocator, IsRefusedByName) {
  const std::vector<std::byte> sound = SerializeParentLocator(With({{"relative_path", "b.vhdx"}}));
  const auto refused = [&](std::size_t at, std::uint16_t value) {
    std::vector<std::byte> bytes = sound;
    StoreLe(bytes.data() + at, value);
    const auto parsed = ParseParentLocator(bytes, 0);
    return parsed.ok() ? "" : parsed.error().Describe();
  };
  EXPECT_NE(refused(0, 0).find("unknown type of parent locator"), std::string::npos);
  EXPECT_NE(refused(18, 0).find("identity is missing"), std::string::npos);
  EXPECT_NE(refused(18, 65535).find("more entries"), std::string::npos);
  for (const std::size_t field : {20U, 24U, 28U, 30U}) {
    EXPECT_NE(refused(field, 65535).find("outside the parent locator"), std::string::npos) << field;
  }
  EXPECT_NE(refused(28, 3).find("outside the parent locator"), std::string::npos);
  for (std::size_t size = 0; size < sound.size(); ++size) {
    EXPECT_FALSE(ParseParentLocator(std::span(sound).first(size), 0).ok()) << size;
  }
  EXPECT_FALSE(ParseParentLocator(SerializeParentLocator({{{"relative_path", "b"}}}), 0).ok());
  EXPECT_FALSE(ParseParentLocator(SerializeParentLocator(With({})), 0).ok());
  EXPECT_FALSE(
      ParseParentLocator(SerializeParentLocator(With({{"relative_path", "b"}, {"relative_path", "c"}})), 0).ok());
}

TEST(Guid, TextIsStoredMixedEndian) {
  const Guid guid = *Guid::Parse("8141BF1D-A96F-4709-BA47-F233A8FAAB5F");
  const std::array<std::uint8_t, 16> stored = {0x1D, 0xBF, 0x41, 0x81, 0x6F, 0xA9, 0x09, 0x47,
                                               0xBA, 0x47, 0xF2, 0x33, 0xA8, 0xFA, 0xAB, 0x5F};
  EXPECT_EQ(guid.bytes, stored);
  EXPECT_EQ(guid.Text(), "8141bf1d-a96f-4709-ba47-f233a8faab5f");
  for (const char* text : {"", "8141BF1D", "8141BF1DxA96F-4709-BA47-F233A8FAAB5F",
                           "{8141BF1D-A96F-4709-BA47-F233A8FAAB5F", "8141BF1D-A96F-4709-BA47-F233A8FAAB5G"}) {
    EXPECT_FALSE(Guid::Parse(text)) << text;
  }
}

}  // namespace
}  // namespace platter::test
