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

// A new object while its bytes arrive, by one thread at a time. Destroyed before Settle it leaves nothing behind, and
// what a killed process leaves is found by Store::List. For as long as it lives, List says that the image is worked on.
class StoreWriter {
 public:
  virtual ~StoreWriter() = default;
  // The bytes that follow. kIo with ENOSPC where the store is full, kLimit where it would have to grow past its limit.
  virtual Result<> Write(std::span<const std::byte> bytes) = 0;
  // As Write with so many zeros, for which no space is taken where the store can do without.
  virtual Result<> WriteZeros(std::uint64_t count) = 0;
  // What was written so far, to be read while and after it is written, until Commit or the end. Null: the store cannot.
  virtual std::shared_ptr<Storage> Written() { return nullptr; }
  // Makes it durable under its final name; its URL, which no other object ever had or has. To be called once, after the
  // last byte. kIo. Between Commit and Settle the catalog is told.
  virtual Result<std::string> Commit() = 0;
  // The catalog names the object: it stays. Requires: Commit. kIo: it stays all the same, and List reports it.
  virtual Result<> Settle() = 0;
  // Nobody knows whether the catalog names the object (the database went away): it stays as a killed process would
  // leave it, for a sweep to decide, unless Settle follows. Requires: Commit.
  virtual void Leave() noexcept = 0;
};

// An object about to be deleted. Destroyed before Finish it lets the object be.
class StoreRemoval {
 public:
  virtual ~StoreRemoval() = default;
  // The catalog does not name the object any more: it goes. kIo; a sweep then tries again.
  virtual Result<> Finish() = 0;
  // Nobody knows whether the catalog still names the object (the database went away): a sweep decides.
  virtual void Leave() noexcept = 0;
};

// The bytes of an object, a range at a time.
class StoreReader {
 public:
  virtual ~StoreReader() = default;
  virtual std::uint64_t size() const noexcept = 0;
  // Makes ready to read from there, so that what stands in the way is known before any byte is promised. kUnsupported
  // where only the beginning can be read, kIo.
  virtual Result<> Seek(std::uint64_t /*offset*/) { return Done{}; }
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
  // Gone once it succeeds; kNotFound where it was not there, kUnsupported for a read-only store.
  Result<> Delete(std::string_view url);
  // The first half of Delete, before the catalog is changed: whatever ends the process after that change, a sweep knows
  // what to remove. As Delete; kConflict where somebody else works on the object.
  virtual Result<std::unique_ptr<StoreRemoval>> PrepareDelete(std::string_view url) = 0;
  // Bytes. As Get.
  virtual Result<std::uint64_t> SizeOf(std::string_view url) = 0;
  // Empty where nobody knows.
  virtual std::optional<Capacity> capacity() { return std::nullopt; }

  // Something that the store holds.
  struct Listed {
    std::string url;          // of the object; "" for one that was never committed
    std::string image_id;     // that the object was put for
    bool unfinished = false;  // a StoreWriter or StoreRemoval that was neither settled nor destroyed
    bool busy = false;        // it lives, in this process or in another one
    std::string mark;         // the store's own name of what is unfinished
  };
  enum class Scope : std::uint8_t { kUnfinished, kAll };
  // All that is unfinished, and with kAll the finished objects, too, as far as this store has put them. For sweeps.
  // Nothing for a store whose objects are not its own (http).
  virtual Result<> List(Scope scope, const std::function<Result<>(const Listed&)>& visit) = 0;
  // URLs of the objects that were put for an image, settled or not. Looks only where they lie, however much the store
  // holds. Nothing for a store whose objects are not its own. kIo.
  virtual Result<std::vector<std::string>> ObjectsOf(std::string_view image_id) = 0;
  // Ends what is unfinished and not busy: the object stays, or goes with it. kConflict where somebody works on it.
  virtual Result<> Resolve(const Listed& unfinished, bool keep_object) = 0;
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
