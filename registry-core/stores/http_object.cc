#include "registry-core/stores/http_object.h"

#include <algorithm>
#include <list>
#include <mutex>
#include <utility>
#include <vector>

#include "formats/core/read_only_storage.h"

namespace platter::registry {
namespace {

constexpr std::uint64_t kBlock = 256 << 10;
constexpr std::size_t kMaxBlocks = 16;
constexpr std::uint64_t kLongestRun = 64 << 20;

// Blocks that were used last are held. Those that are wanted in order come in one answer, which is twice as long each
// time: a server is asked rarely where much is read, and for little where little is.
class HttpStorage final : public ReadOnlyStorage {
 public:
  HttpStorage(WebOptions web, std::string_view url)
      : ReadOnlyStorage("object of a web server"), object_(std::move(web), url) {}

  Result<> Open() {
    PLATTER_CHECK(object_.Open({0, kBlock}));
    if (!object_.ranged() && object_.size() > kBlock) {
      return Error(ErrorKind::kUnsupported,
                   "the server serves no ranges, without which the image cannot be looked into");
    }
    run_end_ = std::min(kBlock, object_.size());
    return Done{};
  }
  std::uint64_t size() const noexcept override { return object_.size(); }

 protected:
  Result<> DoRead(std::uint64_t offset, std::span<std::byte> out) override {
    const std::lock_guard lock(mutex_);
    while (!out.empty()) {
      const std::vector<std::byte>* block = PLATTER_TRY(Block(offset / kBlock));
      const auto there = std::span(*block).subspan(offset % kBlock);
      const std::size_t count = std::min(there.size(), out.size());
      std::ranges::copy(there.first(count), out.begin());
      offset += count;
      out = out.subspan(count);
    }
    return Done{};
  }
  Result<DataRun> DoDataMap(std::uint64_t offset) override { return DataRun{size() - offset, true}; }

 private:
  struct Held {
    std::uint64_t index = 0;
    std::vector<std::byte> bytes;
  };

  // Valid until the next call.
  Result<const std::vector<std::byte>*> Block(std::uint64_t index) {
    const auto found = std::ranges::find(held_, index, &Held::index);
    if (found != held_.end()) {
      held_.splice(held_.begin(), held_, found);
      return &held_.front().bytes;
    }
    Held held{index, PLATTER_TRY(Fetch(index))};
    if (held_.size() == kMaxBlocks) held_.pop_back();
    held_.push_front(std::move(held));
    return &held_.front().bytes;
  }

  Result<std::vector<std::byte>> Fetch(std::uint64_t index) {
    const std::uint64_t begin = index * kBlock;
    const std::uint64_t end = std::min(begin + kBlock, size());
    const bool in_order = object_.position() == begin;
    if (!in_order || end > run_end_) {
      run_ = in_order ? std::min(2 * run_, kLongestRun) : kBlock;
      PLATTER_CHECK(object_.Open({begin, run_}));
      run_end_ = std::min(begin + run_, size());
    }
    std::vector<std::byte> bytes(end - begin);
    for (std::span<std::byte> rest = bytes; !rest.empty();) {
      rest = rest.subspan(PLATTER_TRY(object_.ReadSome(rest)));
    }
    return bytes;
  }

  std::mutex mutex_;
  HttpObject object_;  // guarded by mutex_, but for its size
  std::uint64_t run_ = kBlock;
  std::uint64_t run_end_ = 0;  // of the range that is open
  std::list<Held> held_;       // the one used last comes first
};

}  // namespace

Result<> HttpObject::Open(WebRange range) {
  position_.reset();
  auto opened = reader_.Open(last_url_.empty() ? url_ : last_url_, range);
  // Some redirects are good for some minutes only.
  const bool again = !opened.ok() && opened.error().kind() != ErrorKind::kCancelled && !last_url_.empty();
  if (again) opened = reader_.Open(url_, range);
  if (!opened.ok()) return opened;
  last_url_ = reader_.url();
  const auto size = reader_.size();
  if (!size) return Error(ErrorKind::kUnsupported, "the server does not say how large the object is");
  if (!size_) {
    size_ = size;
    version_ = reader_.version();
  }
  if (size != size_ || reader_.version() != version_) {
    return Error(ErrorKind::kIo, "the server's object changed while it was read");
  }
  position_ = range.offset;
  return Done{};
}

Result<std::size_t> HttpObject::ReadSome(std::span<std::byte> out) {
  auto read = reader_.ReadSome(out);
  if (!read.ok() || read.value() == 0) position_.reset();
  if (!read.ok()) return read;
  if (read.value() == 0) return Error(ErrorKind::kIo, "the server's object ends early");
  *position_ += read.value();
  return read;
}

Result<std::shared_ptr<Storage>> OpenHttpStorage(WebOptions web, std::string_view url) {
  auto storage = std::make_shared<HttpStorage>(std::move(web), url);
  PLATTER_CHECK(storage->Open());
  return std::shared_ptr<Storage>(std::move(storage));
}

}  // namespace platter::registry
