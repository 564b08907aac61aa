#include "registry-core/ingest/web_source.h"

#include <utility>

namespace platter::registry {
namespace {

class WebSource final : public ByteSource {
 public:
  explicit WebSource(WebOptions options) : reader_(std::move(options)) {}
  Result<> Open(const std::string& url) { return reader_.Open(url); }
  std::optional<std::uint64_t> size() const override { return reader_.size(); }
  Result<std::size_t> ReadSome(std::span<std::byte> out) override { return reader_.ReadSome(out); }

 private:
  WebReader reader_;
};

}  // namespace

Result<std::unique_ptr<ByteSource>> OpenWebSource(WebOptions options, const std::string& url,
                                                  std::function<bool()> cancelled) {
  options.cancelled = std::move(cancelled);
  auto source = std::make_unique<WebSource>(std::move(options));
  PLATTER_CHECK(source->Open(url));
  return std::unique_ptr<ByteSource>(std::move(source));
}

}  // namespace platter::registry
