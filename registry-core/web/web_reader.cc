#include "registry-core/web/web_reader.h"

#include <utility>

#include "registry-core/web/web_connection.h"

namespace platter::registry {

WebReader::WebReader(WebOptions options) : connection_(std::make_unique<Connection>(std::move(options))) {}
WebReader::~WebReader() = default;

Result<> WebReader::Open(std::string_view url, WebRange range) { return connection_->Open(url, range); }
std::optional<std::uint64_t> WebReader::size() const noexcept { return connection_->size(); }
bool WebReader::ranged() const noexcept { return connection_->ranged(); }
std::string WebReader::url() const { return connection_->url(); }
const std::string& WebReader::version() const noexcept { return connection_->version(); }
Result<std::size_t> WebReader::ReadSome(std::span<std::byte> out) { return connection_->ReadSome(out); }
void WebReader::Cancel() noexcept { connection_->Cancel(); }

}  // namespace platter::registry
