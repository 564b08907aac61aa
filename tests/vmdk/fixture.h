// Images built byte by byte from the specification, for what no tool here writes, in memory, with what the guest must
// read of them.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "formats/core/reference.h"
#include "formats/open.h"
#include "formats/vmdk/layout.h"

namespace platter::test {

using Bytes = std::vector<std::byte>;

enum class Grain : std::uint8_t { kHole, kZero, kData };

struct SparseSpec {
  std::uint64_t capacity = 1000;      // sectors
  std::uint64_t grain_sectors = 128;  // per grain
  // In guest order; what is left out are holes.
  std::vector<Grain> grains = {Grain::kData, Grain::kHole, Grain::kData, Grain::kData,
                               Grain::kZero, Grain::kHole, Grain::kHole, Grain::kData};
  std::uint64_t seed = 1;       // of the data
  std::string descriptor = {};  // "" for none inside
  std::uint32_t version = 1;
  std::uint32_t table_entries = 512;
  bool redundant = true;   // a second copy of directory and tables
  bool backwards = false;  // grains lie on the host in the reverse of guest order
};

struct Fixture {
  Bytes file;
  Bytes guest;
  // Host offsets.
  std::uint64_t directory = 0;
  std::uint64_t redundant = 0;
  std::uint64_t table = 0;            // the first one
  std::uint64_t redundant_table = 0;  // its copy
  std::vector<std::uint64_t> grains;  // of those that are stored, in guest order; their markers in a stream
};

Fixture MakeSparse(const SparseSpec& spec);
// With markers, compressed grains, and the directory at the end.
Fixture MakeStream(const SparseSpec& spec);
Fixture MakeCowd(const SparseSpec& spec);
// Grains of 8 sectors.
Fixture MakeSeSparse(const SparseSpec& spec);

// `lines` between a head with these identities and nothing behind.
std::string DescriptorText(const std::string& create_type, const std::string& lines, std::uint32_t cid = 0x12345678,
                           std::uint32_t parent_cid = 0xFFFFFFFF);

Bytes ToBytes(const std::string& text);
void Join(Bytes& out, const Bytes& more);

template <class Field>
void Put(Bytes& bytes, Field field, typename Field::Value value, std::uint64_t record = 0) {
  field.Encode(bytes.data() + record, value);
}
void Put32(Bytes& bytes, std::uint64_t at, std::uint32_t value);
void Put64(Bytes& bytes, std::uint64_t at, std::uint64_t value);

// Files by name, for images of several.
using Files = std::map<std::string, Bytes>;

class MemoryGate : public ReferenceGate {
 public:
  explicit MemoryGate(Files files) : files_(std::move(files)) {}
  Result<std::shared_ptr<Storage>> Open(const Reference& wanted, const std::string& referrer) override;

 private:
  Files files_;
};

struct OpenWish {
  Dialect dialect = Dialect::kPlatter;
  bool contents = true;
};
// The chain that the file `name` starts.
Result<OpenedChain> OpenFiles(const Files& files, const std::string& name, OpenWish wish = {});
// All that the guest reads, or the first error of opening, mapping and reading.
Result<Bytes> ReadGuest(const Files& files, const std::string& name, OpenWish wish = {});

}  // namespace platter::test
