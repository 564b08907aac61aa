#include "tools/platter/image_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <ctime>
#include <iterator>

#include "formats/core/reference.h"
#include "tools/platter/human_size.h"
#include "tools/platter/json_output.h"

namespace platter::cli {
namespace {

constexpr std::uint64_t kNanoseconds = 1'000'000'000;

std::string_view FormatOf(const Persona& persona, const ReportedLayer& reported) {
  return reported.bare_file ? "file" : persona.FormatName(*reported.layer.driver);
}

// What the format says about itself, without what qemu-img does not know when we are it.
Detail SpecificOf(const Persona& persona, const ImageInfo& info) {
  Detail all = info.specific;
  if (persona.as_qemu) return all;
  for (const auto& [key, value] : std::get<Detail::Object>(info.further.value())) all.Add(key, value);
  return all;
}

// Where the backing file's name leads; the name itself where it leads to no local file.
std::string BackingPath(const ReportedLayer& reported) {
  const std::string& text = reported.layer.image->info().backing->text;
  const auto local = LocalPath(text);
  if (!local.ok() || local.value() != text) return text;
  const auto path = ResolveReference(text, reported.layer.path);
  return path.ok() ? path.value() : text;
}

// Of all the files that hold the layer.
std::uint64_t AllocatedSize(const OpenedLayer& layer) {
  std::uint64_t size = 0;
  for (const std::shared_ptr<Storage>& file : layer.image->files()) size += file->allocated_size();
  return size;
}

Detail SnapshotDetail(const SnapshotInfo& snapshot) {
  Detail detail;
  detail.Add("id", snapshot.id).Add("name", snapshot.name).Add("vm-state-size", snapshot.vm_state_size);
  detail.Add("date-sec", snapshot.date_seconds).Add("date-nsec", snapshot.date_nanoseconds);
  detail.Add("vm-clock-sec", snapshot.vm_clock_nanoseconds / kNanoseconds);
  detail.Add("vm-clock-nsec", snapshot.vm_clock_nanoseconds % kNanoseconds);
  if (snapshot.icount) detail.Add("icount", *snapshot.icount);
  return detail;
}

std::string LocalTime(std::uint32_t seconds) {
  const auto time = static_cast<std::time_t>(seconds);
  std::tm parts{};
  localtime_r(&time, &parts);
  std::array<char, 32> text{};
  std::strftime(text.data(), text.size(), "%Y-%m-%d %H:%M:%S", &parts);
  return text.data();
}

std::string ClockText(std::uint64_t nanoseconds) {
  const std::uint64_t seconds = nanoseconds / kNanoseconds;
  return fmt::format("{:02}:{:02}:{:02}.{:03}", seconds / 3600, seconds / 60 % 60, seconds % 60,
                     nanoseconds % kNanoseconds / 1'000'000);
}

// Prints a tree as indented "key: value" lines, keys with spaces for hyphens.
class TreePrinter {
 public:
  std::string Print(const Detail& detail, std::size_t depth) {
    std::visit([&](const auto& value) { Append(value, depth); }, detail.value());
    return std::move(out_);
  }

 private:
  void Append(bool value, std::size_t) { out_ += value ? " true\n" : " false\n"; }
  void Append(std::int64_t value, std::size_t) { out_ += fmt::format(" {}\n", value); }
  void Append(std::uint64_t value, std::size_t) { out_ += fmt::format(" {}\n", value); }
  void Append(const std::string& value, std::size_t) { out_ += fmt::format(" {}\n", value); }

  void Append(const Detail::Object& object, std::size_t depth) {
    if (depth > 0) out_ += '\n';
    for (const auto& [key, value] : InQemuOrder(object)) {
      std::string spaced = key;
      std::ranges::replace(spaced, '-', ' ');
      AppendMember(spaced, value, depth);
    }
  }

  void Append(const Detail::List& list, std::size_t depth) {
    out_ += '\n';
    for (std::size_t at = 0; at < list.size(); ++at) AppendMember(fmt::format("[{}]", at), list[at], depth);
  }

  void AppendMember(const std::string& key, const Detail& value, std::size_t depth) {
    out_ += fmt::format("{:{}}{}:", "", 4 * (depth + 1), key);
    std::visit([&](const auto& inner) { Append(inner, depth + 1); }, value.value());
  }

  std::string out_;
};

std::string BackingLines(const ReportedLayer& reported) {
  const Reference& backing = *reported.layer.image->info().backing;
  std::string text = fmt::format("backing file: {}", backing.text);
  const std::string path = BackingPath(reported);
  if (path != backing.text) text += fmt::format(" (actual path: {})", path);
  text += '\n';
  if (!backing.format_hint.empty()) text += fmt::format("backing file format: {}\n", backing.format_hint);
  return text;
}

}  // namespace

Detail ReportAsDetail(const Persona& persona, const ReportedLayer& reported) {
  const ImageInfo& info = reported.layer.image->info();
  Detail detail;
  detail.Add("filename", reported.name).Add("format", FormatOf(persona, reported));
  detail.Add("virtual-size", info.virtual_size).Add("actual-size", AllocatedSize(reported.layer));
  if (info.allocation_unit != 0) detail.Add("cluster-size", info.allocation_unit);
  if (info.encrypted) detail.Add("encrypted", true);
  if (info.backing) {
    detail.Add("backing-filename", info.backing->text).Add("full-backing-filename", BackingPath(reported));
    if (!info.backing->format_hint.empty()) detail.Add("backing-filename-format", info.backing->format_hint);
  }
  Snapshots* snapshots = reported.layer.image->snapshots();
  if (snapshots != nullptr && !snapshots->snapshots().empty()) {
    Detail::List list;
    for (const SnapshotInfo& snapshot : snapshots->snapshots()) list.push_back(SnapshotDetail(snapshot));
    detail.Add("snapshots", std::move(list));
  }
  if (const Detail specific = SpecificOf(persona, info); !specific.empty()) {
    Detail typed;
    typed.Add("type", FormatOf(persona, reported)).Add("data", specific);
    detail.Add("format-specific", std::move(typed));
  }
  // qemu-img asks the formats that it cannot write nothing of the kind.
  if (info.tracks_dirty || !reported.layer.driver->described_only) detail.Add("dirty-flag", info.dirty);
  if (!reported.content.empty()) detail.Add("content", reported.content);
  return detail;
}

std::string ReportAsText(const Persona& persona, const ReportedLayer& reported) {
  const ImageInfo& info = reported.layer.image->info();
  std::string text;
  auto out = std::back_inserter(text);
  fmt::format_to(out, "image: {}\nfile format: {}\n", reported.name, FormatOf(persona, reported));
  fmt::format_to(out, "virtual size: {} ({} bytes)\n", HumanSize(info.virtual_size), info.virtual_size);
  fmt::format_to(out, "disk size: {}\n", HumanSize(AllocatedSize(reported.layer)));
  if (info.encrypted) text += "encrypted: yes\n";
  if (info.allocation_unit != 0) fmt::format_to(out, "cluster_size: {}\n", info.allocation_unit);
  if (info.dirty) text += "cleanly shut down: no\n";
  if (info.backing) text += BackingLines(reported);
  Snapshots* snapshots = reported.layer.image->snapshots();
  if (snapshots != nullptr && !snapshots->snapshots().empty()) text += SnapshotTable(snapshots->snapshots());
  if (const Detail specific = SpecificOf(persona, info); !specific.empty()) {
    text += "Format specific information:\n" + TreePrinter().Print(specific, 0);
  }
  if (!reported.content.empty()) text += "content:\n" + TreePrinter().Print(reported.content, 0);
  return text;
}

std::string SnapshotTable(const std::vector<SnapshotInfo>& snapshots) {
  std::string text = "Snapshot list:\n";
  const auto add_row = [&text](auto&&... cells) {
    fmt::format_to(std::back_inserter(text), "{:<9} {:<16} {:>8}{:>20}{:>13}{:>11}\n", cells...);
  };
  add_row("ID", "TAG", "VM SIZE", "DATE", "VM CLOCK", "ICOUNT");
  for (const SnapshotInfo& snapshot : snapshots) {
    add_row(snapshot.id, snapshot.name, HumanSize(snapshot.vm_state_size), LocalTime(snapshot.date_seconds),
            ClockText(snapshot.vm_clock_nanoseconds), snapshot.icount ? std::to_string(*snapshot.icount) : "");
  }
  return text;
}

}  // namespace platter::cli
