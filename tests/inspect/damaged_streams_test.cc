// Compressed streams of two members, damaged anywhere: whether the file passes by in pieces, or lies there whole, the
// report is the same, and what stands behind the first member is a member where it has the mark of one.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/inspect/inspections.h"
#include "tests/inspect/samples.h"

namespace platter::test {
namespace {

using inspect::Depth;

// A size that is known counts, however the stream goes on.
TEST(DamagedStreams, SizesOfTheirDisksAreLimited) {
  const Bytes image =
      MadeBy({{"qemu-img", "create", "-q", "-f", "qcow2", "big", "8T"}, {"sh", "-c", "gzip -c big > image"}});
  inspect::Options options;
  ASSERT_TRUE(inspect::ReadPolicy("expect_container = compressed\nallow_truncated = yes\nmax_virtual_size = 1G\n",
                                  options.policy)
                  .ok());
  for (const std::uint64_t missing : {0U, 4U}) {
    const inspect::Report report = InspectBytes(WithoutLast(image, missing), options, Depth::kStreaming);
    EXPECT_NE(FindCode(report, "policy.virtual_size"), nullptr) << Text(report);
    EXPECT_EQ(InspectStream(WithoutLast(image, missing), options, 100).verdict, inspect::Verdict::kRefused);
  }
}

struct Codec {
  std::string name;
  std::string words;     // from a.raw to standard output
  std::size_t mark = 0;  // bytes that tell a member
};
void PrintTo(const Codec& codec, std::ostream* out) { *out << codec.name; }

const std::vector<Codec> kCodecs = {
    {"Gzip", "gzip -n -c", 3},
    {"Bzip2", "bzip2 -1 -c", 4},
    {"Xz", "xz -0 -c", 6},
    {"Zstd", "zstd -q -c", 4},
};

class DamagedStream : public testing::TestWithParam<Codec> {
 protected:
  // Of what `front` prints, and so much of a disk and of random bytes.
  Bytes Member(std::size_t kilobytes, const std::string& front) const {
    const std::string size = std::to_string(kilobytes) + "k";
    return MadeBy({{"sh", "-c",
                    "(" + front + "; head -c " + size + " base.raw; head -c " + size + " /dev/urandom) | " +
                        GetParam().words + " > image"}});
  }

  inspect::Options options() const {
    inspect::Options options;
    options.policy.expected_container = "compressed";
    return options;
  }

  // The codes that both depths and all streams agree on; "" where they do not.
  std::string CodesOf(const Bytes& bytes, const std::string& what) const {
    const inspect::Report lying = InspectBytes(bytes, options(), Depth::kStreaming);
    for (const std::size_t piece : {std::size_t{1000}, std::size_t{4099}, std::size_t{1} << 20}) {
      const inspect::Report stream = InspectStream(bytes, options(), piece);
      EXPECT_EQ(Text(stream), Text(lying)) << what << ", in pieces of " << piece;
    }
    const inspect::Report full = InspectBytes(bytes, options(), Depth::kFull);
    EXPECT_EQ(StreamCode(full), StreamCode(lying)) << what << "\n" << Text(full) << Text(lying);
    return StreamCode(lying);
  }

  static std::string StreamCode(const inspect::Report& report) {
    for (const Finding& finding : report.findings) {
      if (finding.code.starts_with("compressed.")) return finding.code;
    }
    return "";
  }
};

TEST_P(DamagedStream, IsJudgedAsItIsInAFile) {
  for (const std::size_t kilobytes : {std::size_t{3}, std::size_t{150}}) {
    const Bytes first = Member(kilobytes, "printf 'QFI\\373'");
    const Bytes second = Member(kilobytes, "true");
    Bytes both = first;
    both.insert(both.end(), second.begin(), second.end());
    EXPECT_EQ(CodesOf(both, "sound"), "");
    for (std::size_t at = 0; at < second.size(); at = at < 40 ? at + 1 : at + second.size() / 9) {
      Bytes damaged = both;
      damaged[first.size() + at] ^= std::byte{0x21};
      const std::string code = CodesOf(damaged, "damaged at byte " + std::to_string(at));
      EXPECT_EQ(code == "compressed.trailing_data", at < GetParam().mark) << code << " at " << at;
    }
    for (const std::size_t cut : {std::size_t{1}, second.size() / 2, second.size() - 1}) {
      const Bytes shorter(both.begin(), both.begin() + static_cast<std::ptrdiff_t>(first.size() + cut));
      EXPECT_EQ(CodesOf(shorter, "cut"), "compressed.truncated") << cut;
    }
  }
}

TEST_P(DamagedStream, WithSomethingElseBehindItIsNamedSo) {
  const Bytes first = Member(3, "true");
  for (const std::string& behind : {std::string("x"), std::string("rest of it"), std::string(9000, 'y')}) {
    Bytes more = first;
    const Bytes bytes = ToBytes(behind);
    more.insert(more.end(), bytes.begin(), bytes.end());
    EXPECT_EQ(CodesOf(more, "more behind"), "compressed.trailing_data") << behind.size();
  }
}

INSTANTIATE_TEST_SUITE_P(Codecs, DamagedStream, testing::ValuesIn(kCodecs),
                         [](const auto& row) { return row.param.name; });

}  // namespace
}  // namespace platter::test
