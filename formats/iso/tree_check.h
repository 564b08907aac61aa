// Checks one tree of directories (of a primary, Joliet or enhanced descriptor), and its path tables.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <unordered_set>
#include <vector>

#include "formats/core/limits.h"
#include "formats/core/result.h"
#include "formats/core/storage.h"
#include "formats/iso/check_log.h"
#include "formats/iso/extent_list.h"
#include "formats/iso/volume.h"

namespace platter::iso {

class TreeCheck {
 public:
  struct Request {
    Storage& storage;
    const VolumeDescriptor& descriptor;
    const SuspHeader* susp = nullptr;  // null: no Rock Ridge in this tree
    const Limits& limits;
  };

  TreeCheck(const Request& request, ExtentList& extents, CheckLog& log)
      : storage_(request.storage),
        descriptor_(request.descriptor),
        susp_(request.susp),
        limits_(request.limits),
        extents_(extents),
        log_(log) {}

  // kIo, kLimit. What the structures say wrongly goes to the log.
  Result<> Run();

 private:
  struct Directory {
    std::uint32_t extent = 0;  // logical block
    std::uint32_t parent = 0;
    std::uint32_t length = 0;  // bytes, as the parent's record says
    std::uint8_t attribute_blocks = 0;
  };
  // A Rock Ridge entry that stands for a directory elsewhere.
  struct Moved {
    std::uint64_t host_offset = 0;  // of the record
    std::uint32_t extent = 0;       // logical block
  };
  struct PathRecord {
    std::string name;
    std::uint32_t extent = 0;
    std::uint16_t parent = 0;
  };

  Result<> CheckDirectory(const Directory& directory);
  Result<> CheckRecord(const DirectoryRecord& record, const Directory& directory, std::size_t index);
  void CheckOwnRecord(const DirectoryRecord& record, const Directory& directory, bool self);
  Result<> CheckExtent(const DirectoryRecord& record);
  Result<> CheckRockRidge(const DirectoryRecord& record);
  void CheckMoved();
  Result<> Enter(Directory directory);
  Result<> Allow();
  Result<> CheckPathTables();
  Result<std::vector<std::byte>> ReadPathTable(std::uint32_t block);
  void ComparePathTables(std::span<const std::byte> little, std::span<const std::byte> big);
  // Empty, after a finding, when the table's rest is too short.
  std::optional<PathRecord> TakePathRecord(std::span<const std::byte>& rest, bool big);
  void Report(const std::string& what) const { log_.Add(name_ + ": " + what); }
  Result<> Pass(Error error);

  Storage& storage_;
  const VolumeDescriptor& descriptor_;
  const SuspHeader* susp_;
  const Limits& limits_;
  ExtentList& extents_;
  CheckLog& log_;
  std::string name_;
  std::vector<Directory> pending_;
  std::unordered_set<std::uint32_t> directories_;  // by extent
  std::vector<Moved> moved_;
};

}  // namespace platter::iso
