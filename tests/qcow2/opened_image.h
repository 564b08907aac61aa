// Opens chains through the driver and prints what they say as qemu-img would.
#pragma once

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "formats/core/file_storage.h"
#include "formats/core/memory_storage.h"
#include "formats/format_table.h"
#include "formats/open.h"

namespace platter::test {

inline Result<OpenedChain> TryOpenChain(std::shared_ptr<Storage> storage, const std::string& open_options = "",
                                        const std::string& format = "qcow2") {
  LocalGate gate(FileMode{.lock = false});
  OpenContext context;
  context.gate = &gate;
  const FormatDriver* driver = FindFormat(format);
  context.options = PLATTER_TRY(OptionValues::Parse(open_options, driver->open_options));
  const std::string path = storage->name();
  auto top = PLATTER_TRY(OpenLayer(path, std::move(storage), driver, context));
  return OpenChain(std::move(top), context);
}

inline Result<OpenedChain> TryOpenChain(const std::string& path, const std::string& open_options = "",
                                        const std::string& format = "qcow2") {
  auto storage = PLATTER_TRY(FileStorage::Open(path, FileMode{.lock = false}));
  return TryOpenChain(std::shared_ptr<Storage>(std::move(storage)), open_options, format);
}

// Requires (as a test failure otherwise): the chain opens.
inline OpenedChain OpenImageChain(const std::string& path, const std::string& format = "qcow2") {
  auto chain = TryOpenChain(path, "", format);
  EXPECT_TRUE(chain.ok()) << chain.error().Describe();
  return chain.ok() ? std::move(chain).value() : OpenedChain{};
}

// One line of `qemu-img map --output=json`.
struct MapLine {
  std::uint64_t start = 0;
  std::uint64_t length = 0;
  std::size_t depth = 0;
  bool present = false;
  bool zero = false;
  bool data = false;
  std::optional<std::uint64_t> offset = std::nullopt;

  bool Continues(const MapLine& next) const {
    return depth == next.depth && present == next.present && zero == next.zero && data == next.data &&
           offset.has_value() == next.offset.has_value() && (!offset || *offset + length == *next.offset);
  }
  std::string Text() const {
    const std::string place = offset ? fmt::format(", \"offset\": {}", *offset) : "";
    return fmt::format(
        "{{ \"start\": {}, \"length\": {}, \"depth\": {}, \"present\": {}, \"zero\": {}, \"data\": {}{}}}", start,
        length, depth, present, zero, data, place);
  }
};

// The layer that qemu names for what no layer has decided: the last one that reaches this far.
inline std::size_t UndecidedDepth(const Chain& chain, std::uint64_t offset) {
  std::size_t depth = 0;
  while (depth + 1 < chain.depth() && offset < chain.layer(depth + 1).info().virtual_size) ++depth;
  return depth;
}

inline Result<MapLine> MapLineAt(const Chain& chain, std::uint64_t at) {
  const Extent extent = PLATTER_TRY(chain.Map(at, chain.virtual_size() - at));
  MapLine line{.start = at, .length = extent.length, .depth = extent.depth};
  line.present = extent.status != BlockStatus::kUnallocated;
  line.zero = extent.status != BlockStatus::kData;
  line.data = extent.status == BlockStatus::kData;
  if (!line.present) line.depth = UndecidedDepth(chain, at);
  if (extent.host) line.offset = extent.host->offset;
  if (!extent.maybe_hole) return line;
  auto* file = const_cast<Storage*>(extent.host->file);
  line.zero = extent.host->offset >= file->size();
  if (!line.zero) {
    const DataRun run = PLATTER_TRY(file->DataMap(extent.host->offset));
    line.zero = !run.data;
    line.length = std::min(line.length, run.length);
  }
  return line;
}

// As qemu-img prints it.
inline std::string MapText(const Chain& chain) {
  std::vector<MapLine> lines;
  for (std::uint64_t at = 0; at < chain.virtual_size();) {
    const auto line = MapLineAt(chain, at);
    if (!line.ok()) return line.error().Describe();
    at += line.value().length;
    if (!lines.empty() && lines.back().Continues(line.value())) {
      lines.back().length += line.value().length;
    } else {
      lines.push_back(line.value());
    }
  }
  std::string text;
  for (const MapLine& line : lines) text += (text.empty() ? "[" : ",\n") + line.Text();
  return text + "]\n";
}

}  // namespace platter::test
