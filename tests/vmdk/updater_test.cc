// Conversions into images that are there (convert -n): read by qemu-img and by us, interrupted at every write, refused
// by name.
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <functional>
#include <map>
#include <sstream>

#include "formats/core/faulty_storage.h"
#include "formats/core/memory_storage.h"
#include "formats/vmdk/descriptor.h"
#include "tests/vmdk/fixture.h"
#include "tests/vmdk/new_image.h"

namespace platter::test {
namespace {

using namespace platter::vmdk;

constexpr std::uint64_t kMiB = std::uint64_t{1} << 20;
constexpr std::uint64_t kDiskSize = 5 * kMiB + 512 * 9;

// In an update nothing is left to chance: what the disk does not hold is to read as zero.
GuestDisk WithoutHoles(GuestDisk disk) {
  for (GuestRange& range : disk.ranges) {
    if (range.kind == GuestRange::Kind::kHole) range.kind = GuestRange::Kind::kZero;
  }
  return disk;
}

Result<> UpdateStorage(std::shared_ptr<Storage> storage, const GuestDisk& disk, ReferenceGate& gate) {
  UpdateRequest request;
  request.storage = std::move(storage);
  request.context.gate = &gate;
  const auto writer = PLATTER_TRY(FindFormat("vmdk")->update(request));
  return WriteThrough(*writer, disk, 3 * kMiB);
}

Result<> UpdateFile(const std::string& path, const GuestDisk& disk) {
  LocalGate gate({.access = FileMode::Access::kReadWrite, .cache = CacheMode::kUnsafe});
  return UpdateStorage(OpenVmdkFile(path, FileMode::Access::kReadWrite), disk, gate);
}

// Opens each file once, however many extents lie in it.
class OnceGate : public ReferenceGate {
 public:
  explicit OnceGate(ReferenceGate& base) : base_(base) {}
  Result<std::shared_ptr<Storage>> Open(const Reference& wanted, const std::string& referrer) override {
    std::shared_ptr<Storage>& file = files_[wanted.text];
    if (file == nullptr) file = PLATTER_TRY(base_.Open(wanted, referrer));
    return file;
  }

 private:
  ReferenceGate& base_;
  std::map<std::string, std::shared_ptr<Storage>> files_;
};

std::uint64_t FindingsIn(std::shared_ptr<Storage> storage, ReferenceGate& gate, bool loud = true) {
  CheckRequest request;
  request.storage = std::move(storage);
  request.context.gate = &gate;
  request.log = [&](const std::string& line) {
    if (loud) ADD_FAILURE() << line;
  };
  const auto report = FindFormat("vmdk")->check(request);
  EXPECT_TRUE(report.ok()) << report.error().Describe();
  return report.ok() ? report.value().corruptions : 1;
}

void ExpectSound(const std::string& path) {
  LocalGate gate({});
  EXPECT_EQ(FindingsIn(OpenVmdkFile(path, FileMode::Access::kRead), gate), 0u);
}

std::string CidOf(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  text << file.rdbuf();
  const std::size_t at = text.str().find("\nCID=");
  return text.str().substr(at + 5, text.str().find('\n', at + 1) - at - 5);
}

class ExistingVmdk : public testing::TestWithParam<const char*> {
 protected:
  std::string Path() const { return folder_.File("disk.vmdk"); }
  bool Flat() const { return std::string_view(GetParam()).find("Flat") != std::string_view::npos; }

  const TempDir folder_;
};

TEST_P(ExistingVmdk, OfQemuTakesNewContent) {
  MustRun({"qemu-img", "create", "-q", "-f", "vmdk", "-o", GetParam(), Path(), std::to_string(kDiskSize)});
  WriteWithQemuIo(RandomGuest(1, kDiskSize), Path(), "vmdk", 2);
  const std::string cid = CidOf(Path());
  for (std::uint64_t seed = 3; seed < 6; ++seed) {
    const GuestDisk disk = RandomGuest(seed, kDiskSize);
    const auto updated = UpdateFile(Path(), WithoutHoles(disk));
    ASSERT_TRUE(updated.ok()) << updated.error().Describe();
    EXPECT_EQ(VmdkSha256ByQemu(Path()), disk.Sha256());
    EXPECT_EQ(GuestSha256ByUs(Path()), disk.Sha256());
    ExpectSound(Path());
  }
  EXPECT_NE(CidOf(Path()), cid);
  EXPECT_EQ(CidOf(Path()).size(), 8u);
  if (!Flat()) MustRun({"qemu-img", "check", "-f", "vmdk", Path()});
}

// What was not written stays.
TEST_P(ExistingVmdk, OfOursTakesPartsByUsAndByQemu) {
  const GuestDisk below = RandomGuest(11, kDiskSize);
  ASSERT_TRUE(WriteVmdk(Path(), below, GetParam()).ok());
  Bytes content = below.Content();
  for (std::uint64_t seed = 12; seed < 15; ++seed) {
    const GuestDisk disk = RandomGuest(seed, kDiskSize, 4096);
    const auto updated = UpdateFile(Path(), disk);
    ASSERT_TRUE(updated.ok()) << updated.error().Describe();
    for (const GuestRange& range : disk.ranges) {
      if (range.kind == GuestRange::Kind::kHole) continue;
      disk.Fill(range.offset, std::span(content).subspan(range.offset, range.length));
    }
    EXPECT_EQ(VmdkSha256ByQemu(Path()), Sha256OfBytes(content));
    EXPECT_EQ(GuestSha256ByUs(Path()), Sha256OfBytes(content));
    ExpectSound(Path());
  }
  const GuestDisk last = RandomGuest(15, kDiskSize);
  WriteRawFile(last, folder_.File("last.raw"));
  MustRun({"qemu-img", "convert", "-n", "-f", "raw", "-O", "vmdk", folder_.File("last.raw"), Path()});
  EXPECT_EQ(GuestSha256ByUs(Path()), last.Sha256());
}

INSTANTIATE_TEST_SUITE_P(Every, ExistingVmdk,
                         testing::Values("subformat=monolithicSparse", "subformat=monolithicSparse,zeroed_grain=on",
                                         "subformat=monolithicFlat", "subformat=twoGbMaxExtentSparse",
                                         "subformat=twoGbMaxExtentFlat"));

SparseSpec Spec(std::uint64_t grain_sectors, std::uint64_t seed, std::uint64_t grains = 8) {
  SparseSpec spec;
  spec.grain_sectors = grain_sectors;
  spec.capacity = grain_sectors * grains;
  spec.seed = seed;
  return spec;
}

void Write(const std::string& path, const Bytes& bytes) {
  std::ofstream file(path, std::ios::binary);
  file.write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
}

// Sparse extents of different grains, some with more tables than one, and two stretches of one flat file.
TEST(MixedExtents, TakeNewContentAcrossTheirBorders) {
  const TempDir folder;
  SparseSpec many = Spec(1, 2, 1600);
  many.table_entries = 128;
  SparseSpec old = Spec(16, 3, 64);
  old.redundant = false;
  old.backwards = true;
  std::string lines;
  std::uint64_t size = 0;
  for (const SparseSpec& spec : {Spec(128, 1), many, old}) {
    const std::string name = "part" + std::to_string(spec.seed) + ".vmdk";
    Write(folder.File(name), MakeSparse(spec).file);
    lines += "RW " + std::to_string(spec.capacity) + " SPARSE \"" + name + "\"\n";
    size += spec.capacity * 512;
  }
  Write(folder.File("flat.bin"), Bytes(std::size_t{300} << 10, std::byte{0x77}));
  lines += "RW 100 FLAT \"flat.bin\" 300\nRW 200 FLAT \"flat.bin\" 50\n";
  size += 300 * 512;
  Write(folder.File("disk.vmdk"), ToBytes(DescriptorText("custom", lines)));
  for (std::uint64_t seed = 21; seed < 24; ++seed) {
    const GuestDisk disk = RandomGuest(seed, size);
    {
      LocalGate local({.access = FileMode::Access::kReadWrite, .cache = CacheMode::kUnsafe});
      OnceGate gate(local);
      const auto updated =
          UpdateStorage(OpenVmdkFile(folder.File("disk.vmdk"), FileMode::Access::kReadWrite), WithoutHoles(disk), gate);
      ASSERT_TRUE(updated.ok()) << updated.error().Describe();
    }
    EXPECT_EQ(GuestSha256ByUs(folder.File("disk.vmdk")), disk.Sha256());
    ExpectSound(folder.File("disk.vmdk"));
  }
  const auto flat = OpenVmdkFile(folder.File("flat.bin"), FileMode::Access::kRead);
  Bytes around(50 * 512);
  ASSERT_TRUE(flat->ReadAt(0, around).ok());
  EXPECT_EQ(std::ranges::count(around, std::byte{0x77}), 50 * 512);
}

// The parent shows where nothing is written, and nowhere else.
TEST(ExistingVmdkOverAParent, KeepsAndHidesIt) {
  for (const std::string options : {"", ",zeroed_grain=on", ",subformat=twoGbMaxExtentSparse"}) {
    SCOPED_TRACE(options);
    const TempDir folder;
    const std::string path = folder.File("top.vmdk");
    const GuestDisk below = RandomGuest(31, 3 * kMiB);
    ASSERT_TRUE(WriteVmdk(folder.File("base.vmdk"), below, "cid=01234567").ok());
    const GuestDisk top = RandomGuest(32, below.size, 65536);
    ASSERT_TRUE(WriteVmdk(path, top, "backing_file=base.vmdk" + options, "01234567").ok());
    Bytes content = below.Content();
    for (std::uint64_t seed = 32; seed < 35; ++seed) {
      const GuestDisk disk = RandomGuest(seed, below.size, 65536);
      if (seed > 32) {
        ASSERT_TRUE(UpdateFile(path, disk).ok());
      }
      for (const GuestRange& range : disk.ranges) {
        if (range.kind == GuestRange::Kind::kHole) continue;
        disk.Fill(range.offset, std::span(content).subspan(range.offset, range.length));
      }
      EXPECT_EQ(VmdkSha256ByQemu(path), Sha256OfBytes(content));
      EXPECT_EQ(GuestSha256ByUs(path), Sha256OfBytes(content));
    }
    ExpectSound(path);
  }
}

Bytes Embedded(SparseSpec spec, const std::string& more = "") {
  spec.descriptor = DescriptorText("monolithicSparse", "RW " + std::to_string(spec.capacity) + " SPARSE \"d.vmdk\"\n");
  spec.descriptor += more;
  return MakeSparse(spec).file;
}

// After a crash at any write the image opens, and every sector is the old one, the new one or zero.
TEST(InterruptedUpdate, LeavesAnImage) {
  const Bytes image = Embedded(Spec(8, 1, 64));
  const Bytes old = ReadGuest({{"d.vmdk", image}}, "d.vmdk").value();
  const GuestDisk disk = RandomGuest(41, old.size(), 4096);
  Bytes fresh = old;
  for (const GuestRange& range : disk.ranges) {
    if (range.kind == GuestRange::Kind::kHole) continue;
    disk.Fill(range.offset, std::span(fresh).subspan(range.offset, range.length));
  }
  DenyGate gate;
  for (std::uint64_t crash = 0;; ++crash) {
    SCOPED_TRACE(crash);
    const auto base = std::make_shared<MemoryStorage>("d.vmdk", image);
    const auto faulty = std::make_shared<FaultyStorage>(base, FaultPlan{.crash_before_write = crash});
    const bool done = UpdateStorage(faulty, disk, gate).ok();
    OpenContext context;
    context.gate = &gate;
    const auto opened = FindFormat("vmdk")->open(base, context);
    ASSERT_TRUE(opened.ok()) << opened.error().Describe();
    Bytes guest(old.size());
    ASSERT_TRUE(opened.value()->ReadAt(0, guest).ok());
    if (done) {
      EXPECT_TRUE(guest == fresh);
      EXPECT_EQ(FindingsIn(base, gate), 0u);
      break;
    }
    const Bytes zeros(512);
    for (std::size_t at = 0; at < guest.size(); at += 512) {
      const auto same = [&](const Bytes& other, std::size_t from) {
        return std::equal(guest.begin() + static_cast<std::ptrdiff_t>(at),
                          guest.begin() + static_cast<std::ptrdiff_t>(at) + 512,
                          other.begin() + static_cast<std::ptrdiff_t>(from));
      };
      ASSERT_TRUE(same(old, at) || same(fresh, at) || same(zeros, 0)) << "sector " << at / 512;
    }
  }
}

TEST(InterruptedUpdate, ReportsEveryFailure) {
  const Bytes image = Embedded(Spec(8, 1, 64));
  const GuestDisk disk = WithoutHoles(RandomGuest(42, std::uint64_t{64} * 8 * 512, 4096));
  DenyGate gate;
  const auto counter = std::make_shared<FaultyStorage>(std::make_shared<MemoryStorage>("d.vmdk", image), FaultPlan{});
  ASSERT_TRUE(UpdateStorage(counter, disk, gate).ok());
  const auto failed = [&](const FaultPlan& plan) {
    const auto base = std::make_shared<MemoryStorage>("d.vmdk", image);
    const auto updated = UpdateStorage(std::make_shared<FaultyStorage>(base, plan), disk, gate);
    return !updated.ok() && updated.error().kind() == ErrorKind::kIo;
  };
  for (std::uint64_t call = 0; call < counter->write_count(); ++call) EXPECT_TRUE(failed({.fail_write = call})) << call;
  for (std::uint64_t call = 0; call < counter->read_count(); ++call) EXPECT_TRUE(failed({.fail_read = call})) << call;
  for (std::uint64_t call = 0; call < 3; ++call) EXPECT_TRUE(failed({.fail_sync = call})) << call;
}

struct RefusalCase {
  std::string name;
  std::function<Files()> make;  // the image is "d.vmdk"
  ErrorKind kind;
  std::string message;
};
void PrintTo(const RefusalCase& row, std::ostream* out) { *out << row.name; }

Files Described(const std::string& type, const std::string& line, const Bytes& part) {
  return {{"part", part}, {"d.vmdk", ToBytes(DescriptorText(type, line))}};
}

Files Damaged(const std::function<void(Fixture&)>& damage, std::uint64_t grain_sectors = 128) {
  SparseSpec spec = Spec(grain_sectors, 1);
  spec.descriptor = DescriptorText("monolithicSparse", "RW " + std::to_string(spec.capacity) + " SPARSE \"d.vmdk\"\n");
  Fixture fixture = MakeSparse(spec);
  damage(fixture);
  return {{"d.vmdk", fixture.file}};
}

const std::vector<RefusalCase> kRefusals = {
    {"StreamOptimized",
     [] {
       SparseSpec spec = Spec(128, 1);
       spec.descriptor = DescriptorText("streamOptimized", "RW 1024 SPARSE \"d.vmdk\"\n");
       return Files{{"d.vmdk", MakeStream(spec).file}};
     },
     ErrorKind::kUnsupported, "existing extents of the kind streamOptimized cannot be written"},
    {"Cowd", [] { return Described("vmfsSparse", "RW 8 VMFSSPARSE \"part\"\n", MakeCowd(Spec(1, 1)).file); },
     ErrorKind::kUnsupported, "existing extents of the kind COWD cannot be written"},
    {"SeSparse", [] { return Described("seSparse", "RW 64 SESPARSE \"part\"\n", MakeSeSparse(Spec(8, 1)).file); },
     ErrorKind::kUnsupported, "existing extents of type SESPARSE cannot be written"},
    {"Zero", [] { return Described("custom", "RW 1 FLAT \"part\" 0\nRW 8 ZERO\n", Bytes(512)); },
     ErrorKind::kUnsupported, "existing extents of type ZERO cannot be written"},
    {"ReadOnly", [] { return Described("custom", "RDONLY 1 FLAT \"part\" 0\n", Bytes(512)); }, ErrorKind::kUnsupported,
     "the descriptor lets this extent be read only"},
    {"Version3", [] { return Damaged([](Fixture& made) { Put(made.file, SparseHeaderLayout::kVersion, 3U); }); },
     ErrorKind::kUnsupported, "VMDK version 3 must be read only"},
    {"TrackedChanges",
     [] {
       return Files{{"d.vmdk", Embedded(Spec(128, 1), "changeTrackPath=\"d-ctk.vmdk\"\n")}};
     },
     ErrorKind::kUnsupported, "images whose changed blocks are tracked are only read"},
    {"GrainUsedTwice",
     [] {
       return Damaged([](Fixture& made) {
         const auto grain = static_cast<std::uint32_t>(made.grains[0] / 512);
         Put32(made.file, made.table + 8, grain);
         Put32(made.file, made.redundant_table + 8, grain);
       });
     },
     ErrorKind::kCorrupt, "grain overlaps another one, or a table"},
    {"GrainOverATable",
     [] {
       return Damaged(
           [](Fixture& made) { Put32(made.file, made.table + 28, static_cast<std::uint32_t>(made.table / 512)); }, 1);
     },
     ErrorKind::kCorrupt, "grain overlaps another one, or a table"},
    {"GrainsApartByHalfAGrain",
     [] {
       return Damaged([](Fixture& made) {
         Put32(made.file, made.table + 28, static_cast<std::uint32_t>(made.grains.back() / 512 + 64));
         made.file.resize(made.file.size() + 65536);
       });
     },
     ErrorKind::kUnsupported, "images are only read whose grains lie at odd distances"},
    {"GrainOutside",
     [] {
       return Damaged([](Fixture& made) {
         Put32(made.file, made.table + 28, static_cast<std::uint32_t>(made.grains[0] / 512 + 12800));
       });
     },
     ErrorKind::kCorrupt, "grain lies outside the file"},
    {"ExtentsOverEachOther",
     [] { return Described("custom", "RW 2 FLAT \"part\" 0\nRW 2 FLAT \"part\" 1\n", Bytes(2048)); },
     ErrorKind::kCorrupt, "two extents share a part of a file"},
    {"NoTable",
     [] {
       return Damaged([](Fixture& made) {
         Put32(made.file, made.directory, 0);
         Put32(made.file, made.redundant, 0);
       });
     },
     ErrorKind::kUnsupported, "images are only read whose grain tables were not all made from the start"},
    {"OneTableForBothDirectories",
     [] {
       return Damaged(
           [](Fixture& made) { Put32(made.file, made.redundant, static_cast<std::uint32_t>(made.table / 512)); });
     },
     ErrorKind::kCorrupt, "grain table 0 overlaps something else"},
    {"DamagedDirectory", [] { return Damaged([](Fixture& made) { Put32(made.file, made.directory, 0x7FFFFF00); }); },
     ErrorKind::kCorrupt, "the grain directory is damaged, only its copy is sound"},
};

class RefusedUpdate : public testing::TestWithParam<RefusalCase> {};

TEST_P(RefusedUpdate, NamesTheReasonAndChangesNothing) {
  const Files files = GetParam().make();
  MemoryGate memory(files);
  OnceGate gate(memory);
  const auto storage = std::make_shared<MemoryStorage>("d.vmdk", files.at("d.vmdk"));
  const auto updated = UpdateStorage(storage, {.size = 512, .ranges = {}}, gate);
  ASSERT_FALSE(updated.ok());
  EXPECT_EQ(updated.error().kind(), GetParam().kind);
  EXPECT_EQ(updated.error().what(), GetParam().message);
  Bytes after(storage->size());
  ASSERT_TRUE(storage->ReadAt(0, after).ok());
  EXPECT_TRUE(after == files.at("d.vmdk"));
}

INSTANTIATE_TEST_SUITE_P(Every, RefusedUpdate, testing::ValuesIn(kRefusals),
                         [](const auto& tested) { return tested.param.name; });

TEST(ExistingVmdkOptions, CompressionIsTakenWhereQemuTakesIt) {
  const TempDir folder;
  LocalGate gate({.access = FileMode::Access::kReadWrite});
  for (const auto& [subformat, taken] : {std::pair{"monolithicSparse", true}, std::pair{"monolithicFlat", false}}) {
    const std::string path = folder.File("disk.vmdk");
    ASSERT_TRUE(WriteVmdk(path, {.size = kMiB, .ranges = {}}, std::string("subformat=") + subformat).ok());
    UpdateRequest request;
    request.storage = OpenVmdkFile(path, FileMode::Access::kReadWrite);
    request.context.gate = &gate;
    request.compress = true;
    EXPECT_EQ(FindFormat("vmdk")->update(request).ok(), taken) << subformat;
  }
}

// The CID is found in every way of writing it, and nothing else changes.
TEST(DescriptorWithAnotherCid, KeepsEveryOtherByte) {
  const std::vector<std::pair<std::string, std::string>> rows = {
      {"version=1\nCID=12345678\nparentCID=ffffffff\n", "version=1\nCID=00abcdef\nparentCID=ffffffff\n"},
      {"version=1\r\n cid = \"1\" \r\nparentCID=2\r\n", "version=1\r\n cid = \"00abcdef\" \r\nparentCID=2\r\n"},
      {"# CID=1\nparentCID=3\nCID=4", "# CID=1\nparentCID=3\nCID=00abcdef"},
      {"CID=1\nCID=2\n", "CID=00abcdef\nCID=2\n"},
      {"version=1\n", "version=1\n"},
      {std::string("version=1\nCID=12345678\n\0CID=1", 29), std::string("version=1\nCID=00abcdef\n\0CID=1", 29)},
  };
  for (const auto& [text, expected] : rows) EXPECT_EQ(WithCid(text, 0xABCDEF), expected);
}

}  // namespace
}  // namespace platter::test
