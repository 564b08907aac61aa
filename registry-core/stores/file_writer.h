// FileWriter: a new object of a FileStore. Zeros become holes, 64 KiB at a time; the host starts to write early, so
// that Commit has little left to wait for.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "registry-core/stores/file_store.h"
#include "registry-core/stores/folder_files.h"

namespace platter::registry {

class FileWriter final : public StoreWriter {
 public:
  // kIo.
  static Result<std::unique_ptr<FileWriter>> Make(std::shared_ptr<const StoreFolder> folder, std::string_view image_id,
                                                  const FileStoreOptions& options);
  ~FileWriter() override;

  Result<> Write(std::span<const std::byte> bytes) override;
  Result<> WriteZeros(std::uint64_t count) override;
  std::shared_ptr<Storage> Written() override;
  Result<std::string> Commit() override;
  Result<> Settle() override;
  void Leave() noexcept override { left_ = true; }

 private:
  FileWriter(std::shared_ptr<const StoreFolder> folder, std::string_view image_id, bool sparse)
      : folder_(std::move(folder)), mark_{std::string(image_id), {}}, sparse_(sparse) {}

  Result<> MakeFile(std::uint32_t mode);
  Result<> TakeRoom(std::uint64_t count);
  Result<> Store(std::span<const std::byte> units);
  Result<> WriteOut(std::uint64_t offset, std::span<const std::byte> bytes);
  Result<> AddToCarry(std::span<const std::byte> bytes);
  Result<> Flush();
  Result<std::string> Link();
  void Remove() noexcept;
  void Unlock() noexcept;
  void HintAt(std::uint64_t end) noexcept;
  std::string MarkName() const { return mark_.id + "." + mark_.random; }

  const std::shared_ptr<const StoreFolder> folder_;
  ObjectName mark_;
  const bool sparse_;
  std::shared_ptr<Descriptor> file_;
  std::shared_ptr<std::atomic<std::uint64_t>> size_ = std::make_shared<std::atomic<std::uint64_t>>(0);
  std::uint64_t position_ = 0;    // bytes that were given
  std::uint64_t stored_ = 0;      // of these, in the file or a hole; what follows is in carry_
  std::uint64_t hinted_ = 0;      // up to where the host was told to write
  std::vector<std::byte> carry_;  // less than a unit
  std::optional<int> failed_;     // errno of the first write that failed
  std::string final_path_;        // "" before Commit
  bool left_ = false;
};

}  // namespace platter::registry
