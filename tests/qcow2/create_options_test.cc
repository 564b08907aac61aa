#include "formats/qcow2/create_options.h"

#include <gtest/gtest.h>

#include "formats/core/memory_storage.h"
#include "tests/qcow2/new_image.h"

namespace platter::test {
namespace {

struct RefusedCase {
  const char* options;
  ErrorKind kind;
  const char* says;  // part of the message
  bool compress = false;
};

void PrintTo(const RefusedCase& refused, std::ostream* out) { *out << refused.options; }

constexpr RefusedCase kRefused[] = {
    {"cluster_size=1000", ErrorKind::kInvalid, "Cluster size must be a power of two between 512 and 2048k"},
    {"cluster_size=256", ErrorKind::kInvalid, "Cluster size must be a power of two between 512 and 2048k"},
    {"cluster_size=4M", ErrorKind::kInvalid, "Cluster size must be a power of two between 512 and 2048k"},
    {"cluster_size=0", ErrorKind::kInvalid, "Cluster size must be a power of two between 512 and 2048k"},
    {"refcount_bits=0", ErrorKind::kInvalid, "Refcount width must be a power of two and may not exceed 64 bits"},
    {"refcount_bits=3", ErrorKind::kInvalid, "Refcount width must be a power of two and may not exceed 64 bits"},
    {"refcount_bits=128", ErrorKind::kInvalid, "Refcount width must be a power of two and may not exceed 64 bits"},
    {"compat=0.10,refcount_bits=8", ErrorKind::kInvalid, "Different refcount widths than 16 bits require"},
    {"compat=0.10,lazy_refcounts=on", ErrorKind::kInvalid, "Lazy refcounts only supported with compatibility level"},
    {"compat=0.10,extended_l2=on", ErrorKind::kInvalid, "Extended L2 entries are only supported with compatibility"},
    {"compat=0.10,compression_type=zstd", ErrorKind::kInvalid, "Non-zlib compression type is only supported with"},
    {"compat=0.10,data_file=x", ErrorKind::kInvalid, "External data files are only supported with compatibility"},
    {"compat=1.2", ErrorKind::kInvalid, "Parameter 'version' does not accept value '1.2'"},
    {"extended_l2=on,cluster_size=8k", ErrorKind::kInvalid, "cluster sizes of at least 16384 bytes"},
    {"data_file_raw=on", ErrorKind::kInvalid, "data-file-raw requires data-file"},
    {"data_file=x,data_file_raw=on,backing_file=y", ErrorKind::kInvalid,
     "Backing file and data-file-raw cannot be used at the same time"},
    {"compression_type=lz4", ErrorKind::kInvalid, "Parameter 'compression-type' does not accept value 'lz4'"},
    {"preallocation=some", ErrorKind::kInvalid, "Parameter 'preallocation' does not accept value 'some'"},
    {"backing_fmt=raw", ErrorKind::kInvalid, "Backing format cannot be used without backing file"},
    {"backing_file=x,preallocation=metadata", ErrorKind::kInvalid,
     "Backing file and preallocation can only be used at the same time if extended_l2 is on"},
    {"encryption=on", ErrorKind::kUnsupported, "encryption is not supported"},
    {"encrypt.format=luks", ErrorKind::kUnsupported, "'encrypt.format': encryption is not supported"},
    {"preallocation=metadata", ErrorKind::kInvalid, "Compression and preallocation not supported at the same time",
     true},
    {"data_file=x", ErrorKind::kUnsupported, "data_file", true},
};

class RefusesCreateOptions : public testing::TestWithParam<RefusedCase> {};

TEST_P(RefusesCreateOptions, ByName) {
  const auto storage = std::make_shared<MemoryStorage>();
  const auto request = NewImageRequest(storage, 1 << 20, GetParam().options, GetParam().compress);
  ASSERT_TRUE(request.ok()) << request.error().Describe();
  const auto writer = FindFormat("qcow2")->create(request.value());
  ASSERT_FALSE(writer.ok());
  EXPECT_EQ(writer.error().kind(), GetParam().kind);
  EXPECT_NE(writer.error().Describe().find(GetParam().says), std::string::npos) << writer.error().Describe();
  EXPECT_EQ(storage->size(), 0u);
}

INSTANTIATE_TEST_SUITE_P(All, RefusesCreateOptions, testing::ValuesIn(kRefused));

TEST(CreateOptions, SizeTheL1TableLikeQemu) {
  struct Case {
    const char* options;
    std::uint64_t size;
    bool fits;
  };
  constexpr std::uint64_t kTiB = std::uint64_t{1} << 40;
  for (const Case& limit :
       {Case{"cluster_size=512", kTiB / 8, true}, Case{"cluster_size=512", kTiB / 8 + 1, false},
        Case{"", 2048 * kTiB, true}, Case{"", 2048 * kTiB + 1, false}, Case{"extended_l2=on", 1024 * kTiB, true},
        Case{"extended_l2=on", 1024 * kTiB + 1, false}, Case{"cluster_size=2M", 2048 * 1024 * kTiB, true},
        Case{"cluster_size=2M", ~std::uint64_t{0}, false}}) {
    const auto values = OptionValues::Parse(limit.options, qcow2::kCreateOptionSpecs);
    ASSERT_TRUE(values.ok());
    const auto options = qcow2::ParseCreateOptions(values.value(), limit.size);
    EXPECT_EQ(options.ok(), limit.fits) << limit.options << " " << limit.size;
    if (options.ok()) {
      EXPECT_EQ(options.value().header.l1_size, 4194304u);
    }
  }
}

// A small first cluster has no room for the names of the features; qemu leaves them out too.
TEST(CreateOptions, DropFeatureNamesWhereThereIsNoRoom) {
  const TempDir folder;
  WriteRawFile(RandomGuest(1, 1 << 20), folder.File("base.raw"));
  const GuestDisk nothing{.size = 1 << 20, .ranges = {}};
  ExpectWritten(
      WriteImage(OpenFile(folder.File("disk")), nothing, "cluster_size=512,backing_file=base.raw,backing_fmt=raw"));
  ExpectClean(folder.File("disk"));
  EXPECT_EQ(GuestSha256ByQemu(folder.File("disk")), Sha256OfFile(folder.File("base.raw")));
}

// What qemu-img says about an empty image of ours is what it says about its own.
TEST(CreateOptions, MakeWhatQemuMakes) {
  const TempDir folder;
  for (const char* options :
       {"", "compat=0.10", "cluster_size=512", "cluster_size=2M", "lazy_refcounts=on", "refcount_bits=1",
        "extended_l2=on", "compression_type=zstd", "preallocation=metadata", "preallocation=falloc",
        "preallocation=full", "extended_l2=on,preallocation=metadata", "cluster_size=1M,refcount_bits=64"}) {
    const std::string ours = folder.File("disk");
    const GuestDisk nothing{.size = 5 << 20, .ranges = {}};
    ExpectWritten(WriteImage(OpenFile(ours), nothing, options));
    const std::string our_info = MustRun({"qemu-img", "info", ours});
    const auto our_space = OpenFile(ours, FileMode::Access::kRead)->allocated_size();
    std::filesystem::remove(ours);
    MustRun({"qemu-img", "create", "-q", "-f", "qcow2", "-o",
             std::string("lazy_refcounts=off") + (*options == 0 ? "" : ",") + options, ours, "5M"});
    const std::string their_info = MustRun({"qemu-img", "info", ours});
    const auto their_space = OpenFile(ours, FileMode::Access::kRead)->allocated_size();
    const auto features = [](const std::string& info) { return info.substr(info.find("cluster_size")); };
    EXPECT_EQ(features(our_info), features(their_info)) << options;
    EXPECT_LE(our_space, their_space) << options;
  }
}

}  // namespace
}  // namespace platter::test
