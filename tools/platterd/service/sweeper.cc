#include "tools/platterd/service/sweeper.h"

#include <fmt/format.h>

#include <string_view>

#include "registry-core/ingest/sweep.h"

namespace platter::platterd {
namespace {

constexpr std::chrono::minutes kEvery{5};
constexpr std::chrono::hours kEverythingEvery{24};
using Level = Log::Level;

void Tell(Log& log, const registry::SweepReport& report) {
  for (const auto& id : report.requeued) log.Write(Level::kWarning, "an upload was cut off", {{"image", id}});
  for (const auto& id : report.failed_tasks) log.Write(Level::kWarning, "an import was cut off", {{"task", id}});
  for (const auto& url : report.orphans) log.Write(Level::kWarning, "removed what no image names", {{"url", url}});
  for (const auto& url : report.unnamed) {
    log.Write(Level::kWarning, "no image names this; it was left alone", {{"url", url}});
  }
  for (const auto& what : report.lost) log.Write(Level::kError, "the bytes of an image are gone", {{"image", what}});
  for (const auto& what : report.problems) log.Write(Level::kError, "could not be put in order", {{"reason", what}});
  if (report.leftovers + report.settled == 0) return;
  log.Write(Level::kInfo, "put in order",
            {{"leftovers", std::to_string(report.leftovers)}, {"settled", std::to_string(report.settled)}});
}

}  // namespace

Sweeper::~Sweeper() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  wake_.notify_all();
  if (thread_.joinable()) thread_.join();
}

Result<> Sweeper::Once() { return Run(false); }

void Sweeper::Start() {
  thread_ = std::thread([this] { Work(); });
}

Result<> Sweeper::Run(bool look_at_all) {
  const auto report =
      PLATTER_TRY(registry::Sweep(catalog_, stores_, &staging_, registry::SweepOptions{.look_at_all = look_at_all}));
  Tell(log_, report);
  return Done{};
}

void Sweeper::Work() {
  auto everything = std::chrono::steady_clock::now();
  for (;;) {
    const auto now = std::chrono::steady_clock::now();
    const bool look_at_all = now >= everything;
    if (look_at_all) everything = now + kEverythingEvery;
    const auto swept = Run(look_at_all);
    if (!swept.ok()) log_.Write(Level::kError, "a sweep failed", {{"reason", swept.error().Describe()}});
    std::unique_lock lock(mutex_);
    if (wake_.wait_for(lock, kEvery, [this] { return stopping_; })) return;
  }
}

}  // namespace platter::platterd
