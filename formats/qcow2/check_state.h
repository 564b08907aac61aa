// What every part of a qcow2 check shares: the image at hand, what may be repaired, and what was found.
#pragma once

#include <fmt/format.h>

#include <cstdint>
#include <string>
#include <vector>

#include "formats/core/checked.h"
#include "formats/core/driver.h"
#include "formats/qcow2/dangling_clusters.h"
#include "formats/qcow2/header.h"
#include "formats/qcow2/refcount_map.h"
#include "formats/qcow2/stored_refcounts.h"
#include "formats/qcow2/table_window.h"

namespace platter::qcow2 {

// A snapshot as far as the check needs it.
struct CheckedSnapshot {
  std::string id;
  std::string name;
  std::uint64_t l1_table_offset = 0;
  std::uint32_t l1_size = 0;  // entries
};

// One pass over an image. Findings are logged and counted here; an Error ends the pass.
struct CheckState {
  // A hostile image could have every cluster listed.
  static constexpr std::uint64_t kMostLines = 1'000'000;

  CheckState(const CheckRequest& check_request, Header& image_header)
      : request(check_request),
        storage(*check_request.storage),
        header(image_header),
        tables(storage, header.cluster_size(), request.context.limits.table_cache),
        stored(header, tables),
        dangling(DivideRoundingUp(storage.size(), header.cluster_size())) {}

  // Also looks for what qemu's check does not.
  bool thorough() const noexcept { return request.context.dialect == Dialect::kPlatter; }
  std::uint64_t l2_reserved() const noexcept { return thorough() ? header.l2_reserved() : kL2Reserved; }

  bool repairs_leaks() const noexcept { return repair != Repair::kNothing; }
  bool repairs_all() const noexcept { return repair == Repair::kAll; }

  bool logging() const noexcept { return !quiet && lines_logged < kMostLines; }
  template <class... Args>
  void Log(fmt::format_string<Args...> line, Args&&... args) {
    if (!logging()) return;
    request.log(fmt::format(line, std::forward<Args>(args)...));
    if (++lines_logged == kMostLines) request.log("Further findings are counted, but not listed.");
  }
  template <class... Args>
  void Corruption(fmt::format_string<Args...> line, Args&&... args) {
    report.corruptions += weight;
    Log(line, std::forward<Args>(args)...);
  }

  // The file's size as qemu counts it: in whole sectors.
  std::uint64_t file_size() const noexcept { return AlignUp<std::uint64_t>(storage.size(), 512); }
  std::uint64_t cluster_of(std::uint64_t offset) const noexcept { return offset >> header.cluster_bits; }

  const CheckRequest& request;
  Storage& storage;
  Header& header;
  Repair repair = Repair::kNothing;
  TableWindow tables;
  StoredRefcounts stored;
  DanglingClusters dangling;
  std::vector<CheckedSnapshot> snapshots;
  std::uint64_t snapshot_table_size = 0;  // bytes
  CheckReport report;
  // How many references the table that is being walked stands for: a finding in it counts as often.
  std::uint64_t weight = 1;
  // The refcount structure itself is damaged, so that single counts cannot be corrected in it.
  bool rebuild = false;
  bool quiet = false;  // log nothing: what is found now was listed before
  std::uint64_t lines_logged = 0;
};

}  // namespace platter::qcow2
