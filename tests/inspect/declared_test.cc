// The verdict for every pair of what an upload is declared to be and what it is: docs/security.md, "Declared and
// found".
#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <string>

#include "tests/containers/ovf_texts.h"
#include "tests/inspect/appliances.h"
#include "tests/inspect/inspections.h"
#include "tests/inspect/security_table.h"
#include "tests/support/content.h"

namespace platter::test {
namespace {

Bytes Noise() {
  const Bytes disk = Converted({"-O", "raw"});
  return First(disk, 1 << 20);
}

const std::map<std::string, std::function<Bytes()>>& Contents() {
  static const std::map<std::string, std::function<Bytes()>> kContents = {
      {"nothing", [] { return Bytes(); }},
      {"zeros", [] { return Bytes(1 << 20); }},
      {"random bytes", Noise},
      {"GPT disk", GptDisk},
      {"ext4",
       [] {
         return MadeBy({{"mke2fs", "-q", "-t", "ext4", "-F", "image", "8M"}});
       }},
      {"ISO", RealIso},
      {"qcow2",
       [] {
         return Converted({"-O", "qcow2"});
       }},
      {"qcow",
       [] {
         return Converted({"-O", "qcow"});
       }},
      {"fixed VHD",
       [] {
         return Converted({"-O", "vpc", "-o", "subformat=fixed"});
       }},
      {"dynamic VHD",
       [] {
         return Converted({"-O", "vpc"});
       }},
      {"VHDX",
       [] {
         return Converted({"-O", "vhdx"});
       }},
      {"sparse VMDK",
       [] {
         return Converted({"-O", "vmdk"});
       }},
      {"streamOptimized VMDK",
       [] {
         return Converted({"-O", "vmdk", "-o", "subformat=streamOptimized"});
       }},
      {"VMDK descriptor", [] { return VmdkDescriptor("monolithicFlat", "RW 2048 FLAT \"disk-flat.vmdk\" 0"); }},
      {"VDI",
       [] {
         return Converted({"-O", "vdi"});
       }},
      {"ploop",
       [] {
         return Converted({"-O", "parallels"});
       }},
      {"QED",
       [] {
         return Converted({"-O", "qed"});
       }},
      {"kernel",
       [] {
         return MadeBy({{"cp", test::DebianFile("memtest86+", "boot/memtest86+x64.bin"), "image"}});
       }},
      {"ramdisk",
       [] {
         return MadeBy({{"sh", "-c", "echo base.raw | cpio -o -H newc 2>/dev/null | gzip > image"}});
       }},
      {"gzip",
       [] {
         return MadeBy({{"sh", "-c", "head -c 100000 /dev/urandom | gzip > image"}});
       }},
      {"tar",
       [] {
         return MadeBy({{"tar", "cf", "image", "base.raw"}});
       }},
      {"OVA",
       [] {
         return OvaOf(Created({"-f", "qcow2"}, "1M"), "1048576", "qcow");
       }},
      {"OVF", [] { return ToBytes(OneDiskOvf("disk", "512")); }},
  };
  return kContents;
}

// As the page's row for `content` says, column by column.
void ExpectRow(const std::vector<std::string>& declared, const std::vector<std::string>& row) {
  ASSERT_EQ(row.size(), declared.size()) << row.front();
  ASSERT_TRUE(Contents().contains(row.front())) << row.front();
  const Bytes content = Contents().at(row.front())();
  for (std::size_t column = 1; column < declared.size(); ++column) {
    inspect::Options options;
    if (declared[column] != "not said") {
      ASSERT_TRUE(inspect::SetPolicyValue(options.policy, "expect_disk", declared[column]).ok()) << declared[column];
    }
    const inspect::Report report = InspectStream(content, options, 1 << 20);
    const std::string expected = row[column] == "yes" ? "accepted" : row[column] == "?" ? "undecided" : "refused";
    EXPECT_EQ(inspect::VerdictName(report.verdict), expected)
        << row.front() << " declared as " << declared[column] << "\n"
        << Text(report);
  }
}

TEST(DeclaredAndFound, GivesTheVerdictOfThePage) {
  const auto table = SecurityTable("Declared and found");
  ASSERT_EQ(table.size(), Contents().size() + 1);
  for (std::size_t row = 1; row < table.size(); ++row) ExpectRow(table.front(), table[row]);
}

}  // namespace
}  // namespace platter::test
