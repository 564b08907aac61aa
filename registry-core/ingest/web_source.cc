#include "registry-core/ingest/web_source.h"

#include <fmt/format.h>

#include <utility>

namespace platter::registry {
namespace {

class WebSource final : public ByteSource {
 public:
  using Clock = std::chrono::steady_clock;

  WebSource(WebOptions options, const WebPace& pace) : reader_(std::move(options)), pace_(pace) {}
  Result<> Open(const std::string& url) { return reader_.Open(url); }
  std::optional<std::uint64_t> size() const override { return reader_.size(); }
  Result<std::size_t> ReadSome(std::span<std::byte> out) override {
    const auto before = Clock::now();
    const std::size_t count = PLATTER_TRY(reader_.ReadSome(out));
    waited_ += Clock::now() - before;
    bytes_ += count;
    if (count > 0) PLATTER_CHECK(CheckPace());
    return count;
  }

 private:
  using Seconds = std::chrono::duration<double>;

  Result<> CheckPace() const {
    const auto passed = Clock::now() - began_;
    if (pace_.longest.count() > 0 && passed > pace_.longest) {
      return Error(ErrorKind::kIo, "the download takes longer than downloads may")
          .Allowed(fmt::format("{} s", pace_.longest.count() / 1000));
    }
    if (pace_.least_rate == 0) return Done{};
    const double earned = static_cast<double>(bytes_) / static_cast<double>(pace_.least_rate);
    if (waited_ <= pace_.grace || Seconds(waited_ - pace_.grace).count() <= earned) return Done{};
    return Error(ErrorKind::kIo, "the server sends too slowly")
        .Found(fmt::format("{} bytes in {:.1f} s", bytes_, Seconds(waited_).count()))
        .Allowed(fmt::format("{} bytes a second", pace_.least_rate));
  }

  WebReader reader_;
  const WebPace pace_;
  const Clock::time_point began_ = Clock::now();
  Clock::duration waited_{};
  std::uint64_t bytes_ = 0;
};

}  // namespace

Result<std::unique_ptr<ByteSource>> OpenWebSource(WebOptions options, const std::string& url,
                                                  std::function<bool()> cancelled, const WebPace& pace) {
  options.cancelled = std::move(cancelled);
  auto source = std::make_unique<WebSource>(std::move(options), pace);
  PLATTER_CHECK(source->Open(url));
  return std::unique_ptr<ByteSource>(std::move(source));
}

}  // namespace platter::registry
