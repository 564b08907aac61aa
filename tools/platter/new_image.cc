#include "tools/platter/new_image.h"

#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <system_error>

#include "formats/core/reference.h"
#include "formats/core/stream_storage.h"
#include "formats/format_table.h"
#include "tools/platter/interrupt.h"

namespace platter::cli {

Result<std::string> TargetPath(const Persona& persona, std::string_view name) {
  if (name == "-" && !persona.as_qemu) return std::string("/dev/stdout");
  return LocalPath(name);
}

Result<NewImagePlace> PlaceOf(const Persona& persona, std::string_view name, const FormatDriver& driver,
                              const OptionValues& options) {
  const std::string path = PLATTER_TRY(TargetPath(persona, name));
  if (driver.makes_folder == nullptr || !driver.makes_folder(options)) return NewImagePlace{path};
  const std::size_t slash = path.rfind('/');
  const auto last = std::string_view(path).substr(slash == std::string::npos ? 0 : slash + 1);
  if (last == driver.folder_member) return NewImagePlace{path};
  return NewImagePlace{fmt::format("{}{}{}", path, last.empty() ? "" : "/", driver.folder_member), path};
}

NewImageFiles::~NewImageFiles() {
  for (const std::shared_ptr<FileStorage>& file : files_) {
    if (!file->created_path().empty()) {
      // Somebody may have put another file in its place.
      if (IdentityOf(file->created_path()) == file->identity()) unlink(file->created_path().c_str());
    } else if (!file->is_device() && !file->untouched()) {
      // It was there before, and has been written to: what is in it now must not pass for an image.
      (void)file->Resize(0).ok();
    }
  }
  if (!made_folder_.empty()) rmdir(made_folder_.c_str());
}

void NewImageFiles::Keep() noexcept {
  // One that the writer had nothing for is empty.
  for (const std::shared_ptr<FileStorage>& file : files_) {
    if (file->untouched()) (void)file->Resize(0).ok();
  }
  if (!files_.empty()) StreamStorage::StandAt(image_path_, files_.front()->size());
  files_.clear();
  made_folder_.clear();
}

Result<std::shared_ptr<Storage>> NewImageFiles::MakeImage(const NewImagePlace& place) {
  if (!place.folder.empty()) PLATTER_CHECK(MakeFolder(place.folder));
  image_path_ = place.path;
  if (!StreamStorage::IsStream(place.path)) return Make(place.path);
  auto stream = PLATTER_TRY(StreamStorage::Open(place.path, &CatchInterrupts()));
  streams_ = true;
  return std::shared_ptr<Storage>(std::move(stream));
}

Result<> NewImageFiles::MakeFolder(const std::string& folder) {
  if (mkdir(folder.c_str(), S_IRWXU | S_IRWXG | S_IRWXO) == 0) {
    made_folder_ = folder;
    return Done{};
  }
  const int failure = errno;
  std::error_code unknown;
  if (failure == EEXIST && std::filesystem::is_directory(folder, unknown)) return Done{};
  return Error::FromErrno(failure, "cannot make the folder").In(folder);
}

Result<std::shared_ptr<Storage>> NewImageFiles::Make(const std::string& path) {
  const FileMode mode{.access = FileMode::Access::kCreate, .cache = cache_, .cancel = &CatchInterrupts()};
  auto file = PLATTER_TRY(FileStorage::Open(path, mode));
  files_.push_back(file);
  return std::shared_ptr<Storage>(std::move(file));
}

std::string StreamRefusal(const Persona& persona, const std::string& path, const FormatDriver& driver,
                          const OptionValues& options) {
  if (!StreamStorage::IsStream(path)) return "";
  if (persona.as_qemu) return "Could not resize file: Invalid argument";
  if (driver.can_stream != nullptr && driver.can_stream(options)) return "";
  std::vector<std::string_view> able;
  for (const FormatDriver* other : AllFormats()) {
    if (other->can_stream != nullptr) able.push_back(persona.FormatName(*other));
  }
  return fmt::format("a {} image with these options cannot be written to a pipe, which is to say in order ({} can)",
                     persona.FormatName(driver), fmt::join(able, ", "));
}

bool IsStandardOutput(const std::string& path) {
  struct stat target {};
  struct stat output {};
  if (stat(path.c_str(), &target) != 0 || fstat(STDOUT_FILENO, &output) != 0) return false;
  return target.st_dev == output.st_dev && target.st_ino == output.st_ino;
}

}  // namespace platter::cli
