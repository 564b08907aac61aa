#include "registry-core/stores/http_store.h"

#include <algorithm>
#include <array>
#include <utility>

#include "registry-core/stores/http_object.h"

namespace platter::registry {
namespace {

Error ReadOnly() { return Error(ErrorKind::kUnsupported, "the store's objects belong to others: it is read-only"); }

bool StartsWith(std::string_view url, std::string_view scheme) {
  const auto same = [](char a, char b) { return (a >= 'A' && a <= 'Z' ? a - 'A' + 'a' : a) == b; };
  return url.size() >= scheme.size() && std::ranges::equal(url.substr(0, scheme.size()), scheme, same);
}

// From wherever the last read ended, or from anywhere.
class HttpReader final : public StoreReader {
 public:
  HttpReader(WebOptions web, std::string_view url) : object_(std::move(web), url) {}
  Result<> Open() { return object_.Open({}); }

  std::uint64_t size() const noexcept override { return object_.size(); }
  Result<> Seek(std::uint64_t offset) override {
    return offset == object_.position() ? Result<>(Done{}) : object_.Open({offset, std::nullopt});
  }
  Result<std::size_t> ReadSome(std::uint64_t offset, std::span<std::byte> out) override {
    if (offset >= size() || out.empty()) return std::size_t{0};
    PLATTER_CHECK(Seek(offset));
    return object_.ReadSome(out);
  }

 private:
  HttpObject object_;
};

}  // namespace

bool HttpStore::Owns(std::string_view url) const { return StartsWith(url, "http://") || StartsWith(url, "https://"); }

Result<std::unique_ptr<StoreWriter>> HttpStore::Put(std::string_view /*image_id*/,
                                                    std::optional<std::uint64_t> /*size_hint*/) {
  return ReadOnly();
}

Result<std::unique_ptr<StoreReader>> HttpStore::Get(std::string_view url) {
  auto reader = std::make_unique<HttpReader>(options_.web, url);
  PLATTER_CHECK(reader->Open());
  return std::unique_ptr<StoreReader>(std::move(reader));
}

Result<std::shared_ptr<Storage>> HttpStore::Open(std::string_view url) { return OpenHttpStorage(options_.web, url); }

Result<std::unique_ptr<StoreRemoval>> HttpStore::PrepareDelete(std::string_view /*url*/) { return ReadOnly(); }

Result<std::uint64_t> HttpStore::SizeOf(std::string_view url) {
  HttpObject object(options_.web, url);
  PLATTER_CHECK(object.Open({0, 1}));
  return object.size();
}

Result<> HttpStore::List(Scope /*scope*/, const std::function<Result<>(const Listed&)>& /*visit*/) { return Done{}; }

Result<std::vector<std::string>> HttpStore::ObjectsOf(std::string_view /*image_id*/) {
  return std::vector<std::string>();
}

Result<> HttpStore::Resolve(const Listed& /*unfinished*/, bool /*keep_object*/) { return ReadOnly(); }

}  // namespace platter::registry
