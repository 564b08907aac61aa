// FileStore: objects are files in folders, aa/bb/ID for new ones; files named ID in the folder itself, as Glance keeps
// them, are found, too.
//
// What is unfinished has a name in the folder's .incoming: ID.RANDOM, a new file or a second name of the object, which
// a process that works on it has locked (flock). The kernel ends the lock with the process, however that ends, so a
// name without a lock is a leftover. Several processes, on several machines too, may share the folders where the file
// system shares such locks (NFS does). The file system must have hard links.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "registry-core/stores/descriptor.h"
#include "registry-core/stores/store.h"

namespace platter::registry {

struct FileStoreOptions {
  struct Folder {
    std::string path;           // absolute
    std::int32_t priority = 0;  // higher ones are filled first; among equals the one with most room
  };
  std::string name = "file";
  std::vector<Folder> folders;
  std::uint32_t file_mode = 0;  // [glance_store] filesystem_store_file_perm; 0: as the process's umask has it
  bool sparse = true;           // zeros take no space, in units of 64 KiB
};

// A folder of a FileStore, open.
struct StoreFolder {
  std::string path;  // without a slash at its end
  std::int32_t priority = 0;
  Descriptor root;
  Descriptor incoming;  // not open where nothing can be written
};

class FileStore final : public Store {
 public:
  // Makes folders that are missing. kInvalid without a folder or for a path that is not absolute; kIo; kUnsupported on
  // a file system without hard links. Objects belong to whom their folder belongs, where this process may say so.
  static Result<std::shared_ptr<FileStore>> Open(FileStoreOptions options);

  const std::string& name() const noexcept override { return options_.name; }
  std::string_view type() const noexcept override { return "file"; }
  bool read_only() const noexcept override { return false; }
  // "file://" and a path below one of the folders, as far as its letters say.
  bool Owns(std::string_view url) const override;

  // kInvalid: the id is no UUID.
  Result<std::unique_ptr<StoreWriter>> Put(std::string_view image_id, std::optional<std::uint64_t> size_hint) override;
  Result<std::unique_ptr<StoreReader>> Get(std::string_view url) override;
  Result<std::shared_ptr<Storage>> Open(std::string_view url) override;
  Result<std::unique_ptr<StoreRemoval>> PrepareDelete(std::string_view url) override;
  Result<std::uint64_t> SizeOf(std::string_view url) override;
  std::optional<Capacity> capacity() override;
  Result<> List(Scope scope, const std::function<Result<>(const Listed&)>& visit) override;
  Result<std::vector<std::string>> ObjectsOf(std::string_view image_id) override;
  Result<> Resolve(const Listed& unfinished, bool keep_object) override;
  std::vector<std::pair<std::string, std::string>> properties() const override;

 private:
  using Folders = std::vector<std::shared_ptr<const StoreFolder>>;

  FileStore(FileStoreOptions options, Folders folders) : options_(std::move(options)), folders_(std::move(folders)) {}
  // Where a URL leads: the folder, and a path below it of plain names.
  struct Place {
    std::shared_ptr<const StoreFolder> folder;
    std::string path;
  };
  Result<Place> PlaceOf(std::string_view url) const;
  static Folders::iterator FolderFor(std::optional<std::uint64_t> size_hint, Folders& folders);

  const FileStoreOptions options_;
  const Folders folders_;  // highest priority first
};

}  // namespace platter::registry
