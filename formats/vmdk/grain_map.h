// Where the grains of one sparse extent are: directory, tables and entries of every kind of sparse extent, behind one
// look-up. Grains that continue each other come as one run.
#pragma once

#include <cstdint>
#include <memory>

#include "formats/core/checked.h"
#include "formats/core/limits.h"
#include "formats/core/result.h"
#include "formats/core/storage.h"
#include "formats/core/table_cache.h"
#include "formats/vmdk/header.h"

namespace platter::vmdk {

// What the three kinds of sparse extents have in common. Bytes, except where said.
struct GrainTables {
  enum class Entries : std::uint8_t { kHosted, kCowd, kSeSparse };
  Entries entries = Entries::kHosted;
  std::uint64_t capacity = 0;       // guest bytes
  std::uint64_t grain_size = 0;     // guest bytes
  std::uint64_t table_entries = 0;  // count
  std::uint64_t directory_entries = 0;
  std::uint64_t directory = 0;  // host offsets
  std::uint64_t redundant = 0;  // of the other copy of the directory, which leads to other tables; 0: none
  bool zeroed_grains = false;   // an entry may say that the grain reads as zero
  bool compressed = false;
  bool markers = false;      // in front of compressed grains
  std::uint64_t tables = 0;  // seSparse: host offset that tables count from
  std::uint64_t grains = 0;  // seSparse: host offset that grains count from

  std::uint64_t entry_size() const noexcept { return entries == Entries::kSeSparse ? kSeSparseEntrySize : kEntrySize; }
  std::uint64_t table_bytes() const noexcept { return table_entries * entry_size(); }
  std::uint64_t table_span() const noexcept { return table_entries * grain_size; }  // guest bytes

  static GrainTables Of(const SparseHeader& header) noexcept;
  static GrainTables Of(const CowdHeader& header) noexcept;
  static GrainTables Of(const SeSparseHeader& header) noexcept;
};

enum class GrainKind : std::uint8_t { kUnallocated, kZero, kData, kCompressed };

struct GrainRun {
  std::uint64_t length = 0;  // guest bytes
  GrainKind kind = GrainKind::kUnallocated;
  std::uint64_t host = 0;  // kData: of the first byte; kCompressed: of the first grain's marker or stream
};

// Thread-safe.
class GrainMap {
 public:
  GrainMap(std::shared_ptr<Storage> storage, const GrainTables& tables, std::uint64_t cache_bytes);

  const GrainTables& tables() const noexcept { return tables_; }
  Storage& storage() const noexcept { return *storage_; }

  // The run at range.offset() (guest bytes within the extent), not longer than the range. kCorrupt for a table or a
  // grain outside the file, when the redundant copy has none better; kIo.
  Result<GrainRun> At(ByteRange range);

  // The place of table number `index`, 0 for none, by the directory itself or by its redundant copy. kCorrupt.
  Result<std::uint64_t> TableAt(std::uint64_t index, bool redundant);
  // The grain of entry number `entry` of the table at host offset `table`, as a run of one grain that starts at guest
  // offset `guest`. kCorrupt for an entry of no kind, and, unless `anywhere`, for a grain outside the file.
  Result<GrainRun> Decode(std::uint64_t table, std::uint64_t entry, std::uint64_t guest, bool anywhere = false);
  // How many entries of the table at host offset `table`, from number `entry` on and up to `most`, have no grain.
  Result<std::uint64_t> EmptyEntries(std::uint64_t table, std::uint64_t entry, std::uint64_t most);
  // The first number behind `index` that has a table in the directory, or in its redundant copy; `last` + 1 at most.
  // May stop earlier: at what lies outside the file, and after a million entries. kIo.
  Result<std::uint64_t> NextTable(std::uint64_t index, std::uint64_t last, bool redundant);

 private:
  // The empty grains from guest offset `guest` on, in bytes up to `end`, as far as the directory's own table tells.
  std::uint64_t EmptyFrom(std::uint64_t guest, std::uint64_t end);
  Result<GrainRun> GrainAt(std::uint64_t guest);
  Result<GrainRun> GrainBy(std::uint64_t guest, bool redundant);
  Result<std::uint64_t> DecodeSeSparseTable(std::uint64_t word, std::uint64_t at) const;
  Result<GrainRun> DecodeHosted(std::uint64_t word, GrainRun run) const;
  Result<GrainRun> DecodeSeSparse(std::uint64_t word, GrainRun run, std::uint64_t at) const;
  GrainRun Place(GrainRun run, std::uint64_t host) const noexcept;
  Result<> CheckInside(const GrainRun& run, std::uint64_t at) const;

  std::shared_ptr<Storage> storage_;
  GrainTables tables_;
  std::uint64_t file_size_;
  TableCache cache_;
};

}  // namespace platter::vmdk
