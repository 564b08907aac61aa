#include "formats/qcow2/inspect.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <vector>

#include "formats/qcow2/reader.h"

namespace platter::qcow2 {
namespace {

// A structure's place in the file.
struct Place {
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
  std::string_view name;
};

// A table of 64-bit entries, each with a place in it.
struct Table {
  std::string_view code;
  std::uint64_t offset = 0;
  std::uint64_t entries = 0;
  std::uint64_t mask = 0;
};

class Inspector {
 public:
  Inspector(Storage& storage, const Limits& limits, const Header& header, Inspection& inspection)
      : storage_(storage), limits_(limits), header_(header), inspection_(inspection) {}

  Result<> Run() {
    inspection_.variant = fmt::format("version {}", header_.version);
    InspectFeatures();
    InspectPlaces();
    std::uint64_t end = header_.cluster_size();
    const std::uint64_t blocks = std::uint64_t{header_.refcount_table_clusters} << header_.cluster_bits;
    std::array tables = {
        Table{"l1_table", header_.l1_table_offset, header_.l1_size, kOffsetMask},
        Table{"refcount_table", header_.refcount_table_offset, blocks / 8, ~std::uint64_t{511}},
    };
    // As they come by: of a stream what is asked for late has passed.
    std::ranges::sort(tables, {}, &Table::offset);
    for (const Table& table : tables) PLATTER_CHECK(WalkTable(table, end));
    inspection_.expected_length = end;
    return Done{};
  }

 private:
  void Add(std::string_view code, Concern concern, std::string message, std::string value,
           std::vector<std::string_view> cves = {}) {
    inspection_.findings.push_back({.code = fmt::format("qcow2.{}", code),
                                    .severity = SeverityOf(concern),
                                    .concern = concern,
                                    .value = std::move(value),
                                    .message = std::move(message),
                                    .cves = std::move(cves)});
  }

  void InspectFeatures() {
    // The name alone is a trap, too: a program that sets the bit, or that follows names, is led there.
    if (header_.has_data_file() || header_.data_file) {
      Add("data_file", Concern::kReference, "the guest's data are in another file", header_.data_file.value_or(""),
          {"CVE-2024-32498"});
    }
    if (header_.has(kIncompatCorrupt)) {
      Add("corrupt_bit", Concern::kCorrupt, "the image is marked as corrupt", "");
    }
  }

  // Structures that the header names must not share bytes.
  void InspectPlaces() {
    std::vector<Place> places = {{0, header_.cluster_size(), "header"}};
    const auto add = [&](std::uint64_t offset, std::uint64_t length, std::string_view name) {
      if (length != 0) places.push_back({offset, offset + std::min(length, UINT64_MAX - offset), name});
    };
    add(header_.l1_table_offset, std::uint64_t{header_.l1_size} * 8, "L1 table");
    add(header_.refcount_table_offset, std::uint64_t{header_.refcount_table_clusters} << header_.cluster_bits,
        "refcount table");
    add(header_.snapshots_offset, header_.snapshot_count == 0 ? 0 : 1, "snapshot table");
    if (header_.bitmaps) add(header_.bitmaps->directory_offset, header_.bitmaps->directory_size, "bitmap directory");
    std::ranges::sort(places, {}, &Place::begin);
    for (std::size_t at = 1; at < places.size(); ++at) {
      if (places[at].begin >= places[at - 1].end) continue;
      Add("overlap", Concern::kCorrupt, "two structures share bytes",
          fmt::format("{}, {}", places[at - 1].name, places[at].name), {"CVE-2014-0144"});
    }
  }

  // Where each entry's cluster ends, as far as the table may be held; moves `end` up to the last one.
  Result<> WalkTable(const Table& table, std::uint64_t& end) {
    std::vector<std::byte> bytes(std::min(table.entries * 8, limits_.metadata_bytes));
    PLATTER_CHECK(storage_.ReadPadded(table.offset, bytes));
    for (std::size_t at = 0; at < bytes.size(); at += 8) {
      const std::uint64_t cluster = LoadBe<std::uint64_t>(bytes.data() + at) & table.mask;
      if (cluster % header_.cluster_size() != 0) {
        Add(table.code, Concern::kCorrupt, fmt::format("entry {} is misaligned", at / 8),
            fmt::format("{:#x}", cluster));
        return Done{};
      }
      if (cluster != 0) end = std::max(end, cluster + header_.cluster_size());
    }
    return Done{};
  }

  Storage& storage_;
  const Limits& limits_;
  const Header& header_;
  Inspection& inspection_;
};

}  // namespace

Result<> Inspect(const std::shared_ptr<Storage>& storage, const Limits& limits, Inspection& inspection) {
  const Header header = PLATTER_TRY(ReadHeader(*storage));
  return Inspector(*storage, limits, header, inspection).Run();
}

}  // namespace platter::qcow2
