#include "tools/platter-hook/image_file.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

namespace platter::hook {

Result<std::shared_ptr<ImageFile>> ImageFile::Open(const std::string& path) {
  const bool standard_input = path == "-";
  const int fd = standard_input ? STDIN_FILENO : open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NOCTTY);
  if (fd < 0) return Error::FromErrno(errno, "cannot open the file").In(path);
  std::shared_ptr<ImageFile> file(new ImageFile(fd));
  auto measured = file->Measure();
  if (!measured.ok()) return std::move(measured).error().In(standard_input ? "standard input" : path);
  return file;
}

ImageFile::~ImageFile() {
  if (fd_ != STDIN_FILENO) close(fd_);
}

Result<> ImageFile::Measure() {
  struct stat status {};
  if (fstat(fd_, &status) != 0) return Error::FromErrno(errno, "cannot stat the file");
  if (S_ISDIR(status.st_mode)) return Error(ErrorKind::kUnsupported, "a folder is not one file that can be judged");
  if (!S_ISREG(status.st_mode) && !S_ISBLK(status.st_mode)) return Done{};
  seekable_ = lseek(fd_, 0, SEEK_CUR) == 0;
  if (!seekable_) return Done{};
  const off_t end = lseek(fd_, 0, SEEK_END);
  if (end < 0 || lseek(fd_, 0, SEEK_SET) != 0) return Error::FromErrno(errno, "cannot tell the file's size");
  size_ = static_cast<std::uint64_t>(end);
  return Done{};
}

void ImageFile::Count(std::uint64_t read) noexcept {
  if (budget_ == nullptr) return;
  if (seekable_) read = std::min(read, size_ - counted_);
  counted_ += read;
  budget_->AddRead(read);
}

Result<std::size_t> ImageFile::ReadNext(std::span<std::byte> out) {
  while (true) {
    const ssize_t got = read(fd_, out.data(), out.size());
    if (got >= 0) {
      Count(static_cast<std::uint64_t>(got));
      return static_cast<std::size_t>(got);
    }
    if (errno != EINTR) return Error::FromErrno(errno, "reading failed").In(name());
  }
}

Result<> ImageFile::DoRead(std::uint64_t offset, std::span<std::byte> out) {
  while (!out.empty()) {
    const ssize_t got = pread(fd_, out.data(), out.size(), static_cast<off_t>(offset));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return Error::FromErrno(errno, fmt::format("read failed at offset {}", offset)).In(name());
    if (got == 0) return Error(ErrorKind::kIo, fmt::format("the file shrank to {} bytes", offset)).In(name());
    Count(static_cast<std::uint64_t>(got));
    offset += static_cast<std::uint64_t>(got);
    out = out.subspan(static_cast<std::size_t>(got));
  }
  return Done{};
}

}  // namespace platter::hook
