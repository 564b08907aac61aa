// Descriptors and manifests: what products write is understood, what a forger writes is refused by name.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <ctime>
#include <string>
#include <string_view>
#include <vector>

#include "formats/containers/ovf/descriptor.h"
#include "formats/containers/ovf/manifest.h"
#include "formats/containers/ovf/units.h"
#include "formats/core/memory_storage.h"
#include "tests/containers/ovf_texts.h"
#include "tests/containers/tar_bytes.h"
#include "tests/support/command.h"
#include "tests/support/content.h"
#include "tests/support/temp_dir.h"

namespace platter::test {
namespace {

constexpr std::uint64_t kGib = std::uint64_t{1} << 30;

Result<ovf::Descriptor> Parse(const std::string& text, const Limits& limits = {}) {
  return ovf::ParseDescriptor(AsBytes(text), limits);
}

std::string ErrorOf(const std::string& text, const Limits& limits = {}) {
  const auto parsed = Parse(text, limits);
  return parsed.ok() ? "" : fmt::format("{}: {}", ErrorKindName(parsed.error().kind()), parsed.error().Describe());
}

struct Product {
  std::string name;
  std::string text;
  std::string version;
  std::string system;
  std::string os;
};
void PrintTo(const Product& product, std::ostream* out) { *out << product.name; }

class DescriptorOf : public testing::TestWithParam<Product> {};

TEST_P(DescriptorOf, IsUnderstood) {
  const Product& product = GetParam();
  EXPECT_TRUE(ovf::LooksLikeDescriptor(AsBytes(product.text)));
  const auto parsed = Parse(product.text);
  ASSERT_TRUE(parsed.ok()) << parsed.error().Describe();
  const ovf::Descriptor& descriptor = parsed.value();
  EXPECT_EQ(descriptor.version, product.version);
  ASSERT_EQ(descriptor.files.size(), 1U);
  ASSERT_EQ(descriptor.disks.size(), 1U);
  EXPECT_EQ(descriptor.disks[0].capacity, 8 * kGib);
  EXPECT_EQ(descriptor.disks[0].id, "vmdisk1");
  EXPECT_EQ(ovf::FormatOfUri(descriptor.disks[0].format), "vmdk");
  ASSERT_EQ(descriptor.systems.size(), 1U);
  EXPECT_EQ(descriptor.systems[0].id, "box");
  EXPECT_EQ(descriptor.systems[0].hardware, product.system);
  EXPECT_EQ(descriptor.systems[0].os, product.os);
  EXPECT_EQ(descriptor.systems[0].cpus, 2U);
  EXPECT_EQ(descriptor.systems[0].memory, kGib);
}

INSTANTIATE_TEST_SUITE_P(Products, DescriptorOf,
                         testing::Values(Product{"Vmware", kVmwareText, "1.x", "vmx-13", "ubuntu64Guest"},
                                         Product{"VirtualBox", kVirtualBoxText, "1.x", "virtualbox-2.2", "Debian_64"},
                                         Product{"Version2", kVersion2Text, "2.x", "virtualbox-2.2", ""},
                                         Product{"Version09", kVersion09Text, "0.9", "vmx-4", "Linux 2.6.x"}),
                         [](const auto& row) { return row.param.name; });

TEST(Descriptor, HasNetworksProductAndLicence) {
  const auto parsed = Parse(kVmwareText);
  ASSERT_TRUE(parsed.ok());
  ASSERT_EQ(parsed.value().networks.size(), 1U);
  EXPECT_EQ(parsed.value().networks[0].name, "VM Network");
  ASSERT_EQ(parsed.value().products.size(), 1U);
  EXPECT_EQ(parsed.value().products[0].vendor, "Someone & Co");
  EXPECT_EQ(parsed.value().products[0].version, "1.2.3");
  EXPECT_THAT(parsed.value().licenses, testing::ElementsAre("Do what you like."));
  EXPECT_EQ(parsed.value().systems[0].devices.size(), 3U);
}

TEST(Descriptor, MayBeUtf16) {
  const TempDir dir;
  CommandOptions options;
  options.folder = dir.path().string();
  std::string text = kVirtualBoxText;
  text.replace(0, text.find('\n'), R"(<?xml version="1.0" encoding="UTF-16"?>)");
  MustRun({"sh", "-c",
           "cat > a.ovf <<'END'\n" + text +
               "\nEND\npython3 -c \"t = open('a.ovf').read(); "
               "open('b.ovf', 'wb').write(t.encode('utf-16'))\""},
          options);
  const auto parsed = ovf::ParseDescriptor(FileBytes(dir.File("b.ovf")), {});
  ASSERT_TRUE(parsed.ok()) << parsed.error().Describe();
  EXPECT_EQ(parsed.value().disks.size(), 1U);
}

TEST(Descriptor, TextIsReadAcrossComments) {
  std::string text = kVirtualBoxText;
  const std::string_view quantity = "VirtualQuantity>2<";
  const std::size_t at = text.find(quantity);
  ASSERT_NE(at, std::string::npos);
  for (const auto& [written, cpus] : std::vector<std::pair<std::string, std::uint64_t>>{
           {"1<!-- -->2", 12}, {"<!-- -->3", 3}, {"1<![CDATA[6]]>", 16}, {" \n4 <!-- -->\t", 4}}) {
    std::string changed = text;
    changed.replace(at + quantity.size() - 2, 1, written);
    const auto parsed = Parse(changed);
    ASSERT_TRUE(parsed.ok()) << parsed.error().Describe();
    EXPECT_EQ(parsed.value().systems.at(0).cpus, cpus) << written;
  }
}

TEST(Descriptor, TakesCapacityFromAProperty) {
  const std::string product =
      "<ProductSection><Info/><Property ovf:key=\"size\" ovf:type=\"int\" ovf:value=\"12\"/></ProductSection>";
  std::string text = OneDiskOvf("a.vmdk", "${size}", "byte * 2^30");
  EXPECT_EQ(Parse(text).value().disks[0].capacity, std::nullopt);
  text.insert(text.find("</Envelope>"), product);
  EXPECT_EQ(Parse(text).value().disks[0].capacity, 12 * kGib);
}

TEST(Units, AreProgrammaticOrWords) {
  struct Row {
    std::string_view text;
    std::optional<std::uint64_t> unit;
  };
  for (const auto& [text, unit] : std::vector<Row>{{"", 1},
                                                   {"byte", 1},
                                                   {"bytes", 1},
                                                   {"byte * 2^30", kGib},
                                                   {"byte*2^10", 1024},
                                                   {" byte *  2 ^ 20 ", 1 << 20},
                                                   {"byte * 10^9", 1000000000},
                                                   {"byte * 1024", 1024},
                                                   {"GigaBytes", kGib},
                                                   {"MB", 1 << 20},
                                                   {"KiloBytes", 1024},
                                                   {"byte * 2^62", std::uint64_t{1} << 62},
                                                   {"byte * 2^63", {}},
                                                   {"byte * 2^99999999999", {}},
                                                   {"byte * 10^19", {}},
                                                   {"byte * 3^2", {}},
                                                   {"byte *", {}},
                                                   {"byte * 2^", {}},
                                                   {"byte * -1", {}},
                                                   {"bit", {}},
                                                   {"hertz * 10^6", {}},
                                                   {"byte * 2^30 * 2^30", {}},
                                                   {"byte * 2^0000000000000000000000000000000000000030", {}}}) {
    EXPECT_EQ(ovf::ParseUnit(text), unit) << text;
  }
}

TEST(Hrefs, StayInTheFolder) {
  EXPECT_EQ(ovf::FileNameOf("a.vmdk").value(), "a.vmdk");
  EXPECT_EQ(ovf::FileNameOf("./a.vmdk").value(), "a.vmdk");
  EXPECT_EQ(ovf::FileNameOf("a%20b.vmdk").value(), "a b.vmdk");
  EXPECT_EQ(ovf::FileNameOf("100%.vmdk").value(), "100%.vmdk");
  EXPECT_EQ(ovf::LiteralNameOf("./a%20b.vmdk"), "a%20b.vmdk");
  EXPECT_EQ(ovf::LiteralNameOf("100%.vmdk"), "");
  for (const char* href : {"/etc/passwd", "../a", "a/b", "..", ".", "http://host/a", "file:///etc/passwd", "file:a",
                           "%2e%2e%2fa", "a%00b", "..\\a", "%2Fetc%2Fpasswd", "./", "nbd://host/"}) {
    const auto name = ovf::FileNameOf(href);
    EXPECT_TRUE(!name.ok() && name.error().kind() == ErrorKind::kDenied) << href;
  }
}

struct Hostile {
  std::string name;
  std::string text;
  std::string error;
};
void PrintTo(const Hostile& hostile, std::ostream* out) { *out << hostile.name; }

std::string Attributes(const std::string& attributes) {
  return VmwareOvf({R"(<File ovf:id="f" ovf:href="a"/>)", "<Disk " + attributes + "/>"});
}

std::string Nested(int depth) {
  std::string text;
  for (int count = 0; count < depth; ++count) text += "<a>";
  for (int count = 0; count < depth; ++count) text += "</a>";
  return VmwareOvf({"", "", text});
}

std::vector<Hostile> HostileTexts() {
  const std::string doctype = "<!DOCTYPE Envelope [<!ENTITY a \"b\"><!ENTITY x SYSTEM \"file:///etc/passwd\">]>\n";
  std::string with_doctype = OneDiskOvf("a", "1");
  with_doctype.insert(with_doctype.find("<Envelope"), doctype);
  const std::string file = R"(<File ovf:id="f" ovf:href="a"/>)";
  const std::string disk = R"(<Disk ovf:diskId="d" ovf:fileRef="f" ovf:capacity="1" ovf:format="x"/>)";
  return {
      {"NotXml", "<Envelope", "not well-formed"},
      {"Empty", "", "not well-formed"},
      {"SecondRoot", OneDiskOvf("a", "1") + OneDiskOvf("b", "1").substr(OneDiskOvf("b", "1").find("<Envelope")),
       "not well-formed XML: a second root element"},
      {"TextBehindTheRoot", OneDiskOvf("a", "1") + "more", "not well-formed XML: text beside the root element"},
      {"NulBehindTheRoot", OneDiskOvf("a", "1") + std::string(1, '\0'), "a byte that is no text in UTF-8"},
      {"ByteOfLatin1", OneDiskOvf("caf\xE9", "1"), "a byte that is no text in UTF-8"},
      {"OverlongUtf8", OneDiskOvf("a\xC0\xAF", "1"), "a byte that is no text in UTF-8"},
      {"HalfASurrogatePair", OneDiskOvf("a\xED\xA0\x80", "1"), "a byte that is no text in UTF-8"},
      {"ControlCharacter", OneDiskOvf("a\x01", "1"), "a byte that is no text in UTF-8"},
      {"OtherRoot", "<a xmlns=\"http://schemas.dmtf.org/ovf/envelope/1\"/>", "not an OVF descriptor"},
      {"OtherNamespace", "<Envelope xmlns=\"http://schemas.xmlsoap.org/soap/envelope/\"/>", "not an OVF descriptor"},
      {"Doctype", with_doctype, "document type declarations"},
      {"TooDeep", Nested(100), "nested too deeply"},
      {"TooManyElements",
       VmwareOvf({"", "",
                  [] {
                    std::string text;
                    for (int count = 0; count < 50000; ++count) text += "<a/>";
                    return text;
                  }()}),
       "too many elements"},
      {"TooLong", VmwareOvf({"", "", "<!--" + std::string(2 << 20, 'x') + "-->"}), "too long"},
      {"TooManyAttributes",
       VmwareOvf({"", "",
                  [] {
                    std::string text = "<a";
                    for (int count = 0; count < 65; ++count) text += fmt::format(" a{}=\"\"", count);
                    return text + "/>";
                  }()}),
       "too many attributes"},
      {"TooManyPrefixes",
       VmwareOvf({[] {
                    std::string text = R"(<File ovf:id="f" ovf:href="a")";
                    for (int count = 0; count < 9; ++count) text += fmt::format(" a{}:id=\"\"", count);
                    return text + "/>";
                  }(),
                  ""}),
       "too many attributes of one name"},
      {"TooManyFiles",
       VmwareOvf({[] {
                    std::string text;
                    for (int count = 0; count < 5000; ++count) {
                      text += fmt::format("<File ovf:id=\"{0}\" ovf:href=\"{0}\"/>", count);
                    }
                    return text;
                  }(),
                  ""}),
       "too many of them"},
      {"TooManyDisks",
       VmwareOvf({"",
                  [] {
                    std::string text;
                    for (int count = 0; count < 2000; ++count) {
                      text += fmt::format("<Disk ovf:diskId=\"{0}\" ovf:capacity=\"1\"/>", count);
                    }
                    return text;
                  }()}),
       "too many of them"},
      {"TwoReferences", VmwareOvf({file, disk, "<References/>"}), "two of what may be there once"},
      {"TwoDiskSections", VmwareOvf({file, disk, "<DiskSection/>"}), "two of what may be there once"},
      {"TwoFilesOfOneId", VmwareOvf({file + file, disk}), "two files of one id"},
      {"TwoDisksOfOneId", VmwareOvf({file, disk + disk}), "two disks of one id"},
      {"TwoDisksInOneFile",
       VmwareOvf({file, disk + R"(<Disk ovf:diskId="e" ovf:fileRef="f" ovf:capacity="1" ovf:format="x"/>)"}),
       "two disks in one file"},
      {"FileWithoutHref", VmwareOvf({"<File ovf:id=\"f\"/>", ""}), "File/@href"},
      {"FileOfNegativeSize", VmwareOvf({"<File ovf:id=\"f\" ovf:href=\"a\" ovf:size=\"-1\"/>", ""}), "not a size"},
      {"FileOfSizeNull", VmwareOvf({"<File ovf:id=\"f\" ovf:href=\"a\" ovf:size=\"null\"/>", ""}), "not a size"},
      {"TwoHrefs", VmwareOvf({R"(<File ovf:id="f" ovf:href="a" href="b"/>)", disk}), "twice, with two values"},
      {"UnknownFile", Attributes(R"(ovf:diskId="d" ovf:fileRef="other" ovf:capacity="1" ovf:format="x")"),
       "not among the references"},
      {"DiskWithoutId", Attributes(R"(ovf:fileRef="f" ovf:capacity="1" ovf:format="x")"), "Disk/@diskId"},
      {"DiskWithoutCapacity", Attributes(R"(ovf:diskId="d" ovf:fileRef="f" ovf:format="x")"), "Disk/@capacity"},
      {"NegativeCapacity", Attributes(R"(ovf:diskId="d" ovf:capacity="-8")"), "not a size"},
      {"CapacityThatWraps",
       Attributes(R"(ovf:diskId="d" ovf:capacity="17179869184" ovf:capacityAllocationUnits="byte * 2^30")"),
       "too large"},
      {"CapacityBeyondNumbers", Attributes(R"(ovf:diskId="d" ovf:capacity="99999999999999999999")"), "not a size"},
      {"UnknownUnit", Attributes(R"(ovf:diskId="d" ovf:capacity="1" ovf:capacityAllocationUnits="parsec")"),
       "not a unit"},
      {"MoreThanItHolds", Attributes(R"(ovf:diskId="d" ovf:capacity="1" ovf:populatedSize="2")"), "more than it can"},
      {"UnknownParent", Attributes(R"(ovf:diskId="d" ovf:capacity="1" ovf:parentRef="p")"), "not among the disks"},
      {"OwnParent", Attributes(R"(ovf:diskId="d" ovf:capacity="1" ovf:parentRef="d")"), "comes back to itself"},
      {"ParentsInACircle",
       VmwareOvf({"", R"(<Disk ovf:diskId="a" ovf:capacity="1" ovf:parentRef="b"/>)"
                      R"(<Disk ovf:diskId="b" ovf:capacity="1" ovf:parentRef="c"/>)"
                      R"(<Disk ovf:diskId="c" ovf:capacity="1" ovf:parentRef="b"/>)"}),
       "comes back to itself"},
  };
}

class HostileDescriptor : public testing::TestWithParam<Hostile> {};

TEST_P(HostileDescriptor, IsRefused) { EXPECT_THAT(ErrorOf(GetParam().text), testing::HasSubstr(GetParam().error)); }

INSTANTIATE_TEST_SUITE_P(Ovf, HostileDescriptor, testing::ValuesIn(HostileTexts()),
                         [](const auto& row) { return row.param.name; });

// A text that says that it is in `encoding`.
std::string DeclaredIn(const std::string& encoding, const std::string& text) {
  constexpr std::string_view kUtf8 = "UTF-8";
  return std::string(text).replace(text.find(kUtf8), kUtf8.size(), encoding);
}

// Of an ASCII text, behind its mark.
std::string InUtf16(const std::string& text) {
  std::string wide = "\xFF\xFE";
  for (const char letter : text) wide += {letter, '\0'};
  return wide;
}

// What a program that follows the declaration reads is what the parser has read.
TEST(DescriptorEncoding, IsOneThatAllProgramsReadAlike) {
  const std::string plain = OneDiskOvf("a", "1");
  const std::string utf8 = OneDiskOvf("caf\xC3\xA9", "1");
  const std::string latin1 = OneDiskOvf("caf\xE9", "1");
  for (const char* encoding : {"utf-8", "UTF-8", "us-ascii", "ISO-8859-1", "iso-8859-15", "windows-1252", "GBK"}) {
    EXPECT_EQ(ErrorOf(DeclaredIn(encoding, plain)), "") << encoding;
  }
  EXPECT_EQ(ErrorOf(DeclaredIn("utf-8", utf8)), "");
  EXPECT_EQ(ErrorOf("\xEF\xBB\xBF" + utf8), "");
  EXPECT_EQ(ErrorOf(DeclaredIn("iso-8859-1", latin1)), "");
  EXPECT_EQ(ErrorOf(InUtf16(DeclaredIn("UTF-16", plain))), "");
  EXPECT_EQ(ErrorOf(InUtf16(plain.substr(plain.find("<Envelope")))), "");
  const std::string refused = "declared to be in an encoding";
  for (const char* encoding :
       {"UTF-7", "ISO-2022-JP", "HZ-GB-2312", "IBM037", "UTF-16", "UTF-32", "", "windows-1200"}) {
    EXPECT_THAT(ErrorOf(DeclaredIn(encoding, plain)), testing::HasSubstr(refused)) << encoding;
  }
  for (const char* encoding : {"windows-1252", "us-ascii", "iso-8859-15", "GBK"}) {
    EXPECT_THAT(ErrorOf(DeclaredIn(encoding, utf8)), testing::HasSubstr(refused)) << encoding;
  }
  EXPECT_THAT(ErrorOf("\xEF\xBB\xBF" + DeclaredIn("iso-8859-1", utf8)), testing::HasSubstr(refused));
  EXPECT_THAT(ErrorOf(DeclaredIn("UTF-8\" encoding=\"UTF-7", plain)), testing::HasSubstr("UTF-7"));
  EXPECT_THAT(ErrorOf("\n" + DeclaredIn("UTF-7", plain)), testing::HasSubstr(refused));
  EXPECT_THAT(ErrorOf(InUtf16(DeclaredIn("UTF-7", plain))), testing::HasSubstr(refused));
}

// Of what is allowed, the most: each text takes seconds where one thing is looked for among all others.
std::string ManyProperties() {
  std::string disks;
  std::string properties = "<ProductSection>";
  for (int at = 0; at < 1000; ++at) disks += fmt::format(R"(<Disk ovf:diskId="{}" ovf:capacity="${{z}}"/>)", at);
  for (int at = 0; at < 12000; ++at) properties += fmt::format(R"(<Property ovf:key="{}" ovf:value="1"/>)", at);
  return VmwareOvf({"", disks, properties + R"(<Property ovf:key="z" ovf:value="1"/></ProductSection>)"});
}

std::string ManyParents() {
  constexpr int kChain = 62;
  const auto disk = [](int at, const std::string& parent) {
    return fmt::format(R"(<Disk ovf:diskId="{0:0480}" ovf:capacity="1"{1}/>)", at, parent);
  };
  const auto above = [](int at) { return fmt::format(R"( ovf:parentRef="{0:0480}")", at); };
  std::string disks;
  for (int at = kChain + 1; at < 1000; ++at) disks += disk(at, above(kChain));
  for (int at = kChain; at > 1; --at) disks += disk(at, above(at - 1));
  return VmwareOvf({"", disks + disk(1, "")});
}

TEST(HostileDescriptor, TakesNoTimeToSpeakOf) {
  for (const std::string& text : {ManyProperties(), ManyParents()}) {
    const std::clock_t before = std::clock();
    for (int times = 0; times < 8; ++times) EXPECT_EQ(ErrorOf(text), "");
    EXPECT_LT(std::clock() - before, 2 * CLOCKS_PER_SEC) << text.substr(0, 400);
  }
}

TEST(HostileDescriptor, IsHeldToTheCallersLimit) {
  EXPECT_THAT(ErrorOf(kVmwareText, {.metadata_bytes = 1000}), testing::HasSubstr("limit: "));
}

TEST(HostileDescriptor, CutAnywhereIsAnswered) {
  const std::string text = kVmwareText;
  for (std::size_t length = 0; length + 2 < text.size(); length += 7) EXPECT_FALSE(Parse(text.substr(0, length)).ok());
}

std::string Lines(const std::string& text) {
  const auto entries = ovf::ParseManifest(AsBytes(text));
  if (!entries.ok()) return entries.error().Describe();
  std::string lines;
  for (const auto& entry : entries.value()) {
    lines += fmt::format("{} {} {}\n", ovf::DigestName(entry.algorithm), entry.file, entry.digest.substr(0, 4));
  }
  return lines;
}

TEST(Manifest, IsReadInEverySpelling) {
  const std::string one(40, 'a');
  const std::string two(64, 'B');
  const std::string three(128, '1');
  EXPECT_EQ(Lines("SHA1(a.ovf)= " + one + "\n"), "SHA1 a.ovf aaaa\n");
  EXPECT_EQ(Lines("SHA256 (a b) = " + two + "\r\n\r\nSHA512(x)=" + three), "SHA256 a b bbbb\nSHA512 x 1111\n");
  EXPECT_EQ(Lines("SHA-256(a)(1)=b.vmdk)= " + two), "SHA256 a)(1)=b.vmdk bbbb\n");
  EXPECT_EQ(Lines(""), "");
  EXPECT_THAT(Lines("SHA1(a)= 12"), testing::HasSubstr("not a digest"));
  EXPECT_THAT(Lines("SHA1(a)= " + std::string(40, 'x')), testing::HasSubstr("not a digest"));
  EXPECT_THAT(Lines("MD5(a)= " + one), testing::HasSubstr("unknown algorithm"));
  EXPECT_THAT(Lines("SHA1()= " + one), testing::HasSubstr("not a line"));
  EXPECT_THAT(Lines("hello"), testing::HasSubstr("not a line"));
  EXPECT_THAT(Lines("SHA1(a) x = " + one), testing::HasSubstr("not a line"));
}

TEST(Manifest, DigestsAreThoseOfCoreutils) {
  const TempDir dir;
  CommandOptions options;
  options.folder = dir.path().string();
  MustRun({"sh", "-c", "seq 200000 > file"}, options);
  MemoryStorage file("file", FileBytes(dir.File("file")));
  const auto sum = [&](const std::string& tool) {
    const std::string line = MustRun({tool, "file"}, options);
    return line.substr(0, line.find(' '));
  };
  EXPECT_EQ(ovf::DigestOf(file, ovf::DigestAlgorithm::kSha1).value(), sum("sha1sum"));
  EXPECT_EQ(ovf::DigestOf(file, ovf::DigestAlgorithm::kSha256).value(), sum("sha256sum"));
  EXPECT_EQ(ovf::DigestOf(file, ovf::DigestAlgorithm::kSha512).value(), sum("sha512sum"));
}

}  // namespace
}  // namespace platter::test
