// Store: where the bytes of images live.
//
// Thread rule: every call may come from any thread. An object is named by its URL, which Put hands out and the catalog
// keeps; what a URL names never changes once Commit has succeeded.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "formats/core/result.h"
#include "formats/core/storage.h"

namespace platter::registry {

// A new object while its bytes arrive, by one thread at a time. Destroyed without Commit it leaves nothing behind.
class StoreWriter {
 public:
  virtual ~StoreWriter() = default;
  // The bytes that follow. kIo with ENOSPC where the store is full, kLimit where it would have to grow past its limit.
  virtual Result<> Write(std::span<const std::byte> bytes) = 0;
  // As Write with so many zeros, for which no space is taken where the store can do without.
  virtual Result<> WriteZeros(std::uint64_t count) = 0;
  // What was written so far, to be read while and after it is written, until Commit or the end. Null: the store cannot.
  virtual std::shared_ptr<Storage> Written() { return nullptr; }
  // Makes it durable under its final name; its URL. To be called once, last. kIo, kExists.
  virtual Result<std::string> Commit() = 0;
};

// The bytes of an object, a range at a time.
class StoreReader {
 public:
  virtual ~StoreReader() = default;
  virtual std::uint64_t size() const noexcept = 0;
  // Up to out.size() bytes from there, at least one below size(). kIo.
  virtual Result<std::size_t> ReadSome(std::uint64_t offset, std::span<std::byte> out) = 0;
  // A descriptor of a file that holds exactly these bytes, for sendfile; -1 where there is none. Owned by the reader.
  virtual int fd() const noexcept { return -1; }
};

struct Capacity {
  std::uint64_t total = 0;  // bytes
  std::uint64_t free = 0;   // bytes
};

class Store {
 public:
  virtual ~Store() = default;
  // The name by which clients and the catalog know it: "file", "fast".
  virtual const std::string& name() const noexcept = 0;
  // "file", "http".
  virtual std::string_view type() const noexcept = 0;
  virtual bool read_only() const noexcept = 0;
  // Whether the URL is of this store's kind, be it there or not.
  virtual bool Owns(std::string_view url) const = 0;

  // An object for an image of that id. `size_hint`: bytes, where known. kUnsupported for a read-only store.
  virtual Result<std::unique_ptr<StoreWriter>> Put(std::string_view image_id,
                                                   std::optional<std::uint64_t> size_hint) = 0;
  // kNotFound, kIo, kDenied for a URL that leads out of the store.
  virtual Result<std::unique_ptr<StoreReader>> Get(std::string_view url) = 0;
  // The object as positional bytes, for the inspector. As Get.
  virtual Result<std::shared_ptr<Storage>> Open(std::string_view url) = 0;
  // Gone once it succeeds; kNotFound where it was not there.
  virtual Result<> Delete(std::string_view url) = 0;
  // Bytes. As Get.
  virtual Result<std::uint64_t> SizeOf(std::string_view url) = 0;
  // Empty where nobody knows.
  virtual std::optional<Capacity> capacity() { return std::nullopt; }

  // Every object that the store holds, and every leftover of a write that no process works on any more (`unfinished`):
  // for sweeps. Nothing for a store whose objects are not its own (http).
  struct Listed {
    std::string url;
    std::string image_id;  // that the object was put for, as far as its name says
    bool unfinished = false;
  };
  virtual Result<> List(const std::function<Result<>(const Listed&)>& visit) = 0;
  // Removes a leftover that List reported.
  virtual Result<> Discard(const Listed& leftover) = 0;
  // What an administrator may see of its configuration: "data_dir" -> "/var/lib/glance/images".
  virtual std::vector<std::pair<std::string, std::string>> properties() const { return {}; }
};

// The stores of one registry, by name; the default one takes what names none.
class StoreSet {
 public:
  // kInvalid: no store, two of one name, no such default, a default that is read-only.
  static Result<StoreSet> Make(std::vector<std::shared_ptr<Store>> stores, std::string_view default_name);

  const std::vector<std::shared_ptr<Store>>& all() const noexcept { return stores_; }
  Store& default_store() const noexcept { return *default_; }
  // Null where there is none.
  Store* Find(std::string_view name) const noexcept;
  // The one that owns the URL; null where none does.
  Store* FindFor(std::string_view url) const;

 private:
  StoreSet() = default;
  std::vector<std::shared_ptr<Store>> stores_;
  std::shared_ptr<Store> default_;
};

}  // namespace platter::registry
