// HttpStore: objects that lie on web servers of others, to be read. What web_rules.h says of URLs goes for them, too.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "registry-core/stores/store.h"
#include "registry-core/web/web_reader.h"

namespace platter::registry {

struct HttpStoreOptions {
  std::string name = "http";
  WebOptions web;  // `cancelled` is called by all threads
};

// A server may change what it serves: a reader or Storage that notices says kIo.
class HttpStore final : public Store {
 public:
  explicit HttpStore(HttpStoreOptions options) : options_(std::move(options)) {}

  const std::string& name() const noexcept override { return options_.name; }
  std::string_view type() const noexcept override { return "http"; }
  bool read_only() const noexcept override { return true; }
  // "http://" and "https://", in letters of either case.
  bool Owns(std::string_view url) const override;

  // kUnsupported.
  Result<std::unique_ptr<StoreWriter>> Put(std::string_view image_id, std::optional<std::uint64_t> size_hint) override;
  // Reads on over one connection for as long as each read begins where the last one ended. As WebReader::Open;
  // kUnsupported where the server does not say how large the object is, or, for a read that begins elsewhere, serves no
  // ranges.
  Result<std::unique_ptr<StoreReader>> Get(std::string_view url) override;
  // Read in ranges, of which 4 MiB are held; small objects also from servers without. As Get.
  Result<std::shared_ptr<Storage>> Open(std::string_view url) override;
  // kUnsupported.
  Result<std::unique_ptr<StoreRemoval>> PrepareDelete(std::string_view url) override;
  // Asks for one byte. As Get.
  Result<std::uint64_t> SizeOf(std::string_view url) override;
  // Nothing: they are not this store's own.
  Result<> List(Scope scope, const std::function<Result<>(const Listed&)>& visit) override;
  // kUnsupported.
  Result<std::vector<std::string>> ObjectsOf(std::string_view image_id) override;
  Result<> Resolve(const Listed& unfinished, bool keep_object) override;

 private:
  const HttpStoreOptions options_;
};

}  // namespace platter::registry
