#include "formats/inspect/inspector.h"

#include <algorithm>
#include <utility>

namespace platter::inspect {

Inspector::Inspector(Options options)
    : options_(std::move(options)),
      window_(std::make_shared<StreamWindow>(options_.name)),
      parts_(window_, options_.unpacking.memory) {}

void Inspector::Feed(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    const std::uint64_t position = window_->position();
    const std::uint64_t room = window_->next_look() - position;
    const auto piece = bytes.first(std::min<std::uint64_t>({bytes.size(), room, parts_.MostAt(position)}));
    window_->Append(piece);
    parts_.Append(position, piece);
    bytes = bytes.subspan(piece.size());
    if (piece.size() == room) Look(false);
    while (parts_.Advance()) Look(false);
  }
  report_.file_size = window_->position();
}

void Inspector::Look(bool whole) {
  // Memory does not fail: a report without a format is judged as undecided all the same.
  auto report = InspectStorage(window_, window_.get(), &parts_, Depth::kStreaming, options_.limits, {}, &read_before_);
  report_ = report.ok() ? std::move(report).value() : Report{};
  report_.file_size = window_->position();
  window_->KeepWhatWasMissed();
  Judge(report_, options_.policy, whole);
}

Report Inspector::Finish() {
  window_->Finish();
  parts_.Finish();
  while (parts_.Advance()) Look(false);
  Look(true);
  // A short file is looked at here for the first time.
  while (parts_.Advance()) Look(true);
  return report_;
}

Result<Report> InspectFile(const std::shared_ptr<Storage>& file, const Options& options, Depth depth) {
  // A file's tables need not be held: what is too large for a stream is not too large for a check.
  const Limits limits = depth == Depth::kFull ? Limits{} : options.limits;
  Report report = PLATTER_TRY(InspectStorage(file, nullptr, nullptr, depth, limits, options.unpacking));
  Judge(report, options.policy, true);
  return report;
}

}  // namespace platter::inspect
