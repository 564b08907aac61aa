#include "formats/core/stream_storage.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <string_view>
#include <utility>

#include "formats/core/wait_for.h"

namespace platter {
namespace {

constexpr std::array<std::byte, 65536> kZeros{};

// The descriptor of this process that `path` names: a socket can be reached in no other way. -1 for other names.
int NamedDescriptor(std::string_view path) {
  if (path == "/dev/stdout") return STDOUT_FILENO;
  if (path == "/dev/stderr") return STDERR_FILENO;
  for (const std::string_view folder : {"/dev/fd/", "/proc/self/fd/"}) {
    if (!path.starts_with(folder)) continue;
    const std::string_view digits = path.substr(folder.size());
    int fd = -1;
    const auto [stop, failure] = std::from_chars(digits.data(), digits.data() + digits.size(), fd);
    return failure == std::errc{} && stop == digits.data() + digits.size() ? fd : -1;
  }
  return -1;
}

// Whether what is written there comes behind something else.
bool HasMoreInFront(int fd) noexcept {
  if (fd < 0) return false;
  const int flags = fcntl(fd, F_GETFL);
  struct stat status {};
  if (flags < 0 || fstat(fd, &status) != 0) return false;
  return (flags & O_APPEND) != 0 ? status.st_size != 0 : lseek(fd, 0, SEEK_CUR) > 0;
}

bool IsPipe(int fd) {
  struct stat status {};
  return fstat(fd, &status) == 0 && S_ISFIFO(status.st_mode);
}

// A descriptor of our own, so that others do not see it become non-blocking; where a pipe cannot be had in this way, or
// is none, one that shares everything.
int Reopened(int fd) {
  if (IsPipe(fd)) {
    const std::string name = fmt::format("/proc/self/fd/{}", fd);
    const int own = open(name.c_str(), O_WRONLY | O_CLOEXEC | O_NONBLOCK);
    if (own >= 0) return own;
  }
  return fcntl(fd, F_DUPFD_CLOEXEC, 3);
}

// Waits for the reader of a FIFO. -1 with errno; ECANCELED.
int OpenSink(const std::string& path, const std::atomic<bool>* cancel) {
  constexpr int kTryAfter = 50;  // ms
  while (true) {
    const int fd = open(path.c_str(), O_WRONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd >= 0 || errno != ENXIO) return fd;
    if (cancel != nullptr && cancel->load(std::memory_order_relaxed)) {
      errno = ECANCELED;
      return -1;
    }
    (void)poll(nullptr, 0, kTryAfter);
  }
}

Error Cancelled() { return Error(ErrorKind::kCancelled, "interrupted"); }

}  // namespace

bool StreamStorage::IsStream(const std::string& path) {
  struct stat status {};
  if (stat(path.c_str(), &status) != 0) return false;
  if (S_ISFIFO(status.st_mode) || S_ISSOCK(status.st_mode) || S_ISCHR(status.st_mode)) return true;
  return S_ISREG(status.st_mode) && HasMoreInFront(NamedDescriptor(path));
}

void StreamStorage::StandAt(const std::string& path, std::uint64_t size) noexcept {
  const int fd = NamedDescriptor(path);
  if (fd >= 0) (void)lseek(fd, static_cast<off_t>(size), SEEK_SET);
}

Result<std::shared_ptr<StreamStorage>> StreamStorage::Open(const std::string& path, const std::atomic<bool>* cancel) {
  const int named = NamedDescriptor(path);
  const int fd = named >= 0 ? Reopened(named) : OpenSink(path, cancel);
  if (fd < 0 && errno == ECANCELED) return Cancelled().In(path);
  if (fd < 0) return Error::FromErrno(errno, "cannot open the file").In(path);
  auto stream = std::make_shared<StreamStorage>(path, fd, cancel);
  if (isatty(fd) == 1) return Error(ErrorKind::kUnsupported, "an image is nothing for a terminal").In(path);
  return stream;
}

StreamStorage::~StreamStorage() { close(fd_); }

std::optional<StorageIdentity> StreamStorage::identity() const noexcept {
  struct stat status {};
  if (fstat(fd_, &status) != 0) return std::nullopt;
  return StorageIdentity{status.st_dev, status.st_ino};
}

Error StreamStorage::HostError(int os_error) const {
  if (os_error == ECANCELED) return Cancelled().In(name());
  return Error::FromErrno(os_error, fmt::format("write failed at offset {}", size())).In(name());
}

Result<> StreamStorage::WaitForTurn(std::uint64_t offset) {
  std::unique_lock lock(mutex_);
  advanced_.wait(lock, [&] { return failure_ != 0 || size() >= offset; });
  if (failure_ != 0) return HostError(failure_);
  if (size() == offset) return Done{};
  return Error(ErrorKind::kUnsupported, "a pipe can only be written in order, and this part has gone out already")
      .In(name())
      .Found(offset)
      .Allowed(fmt::format("{} and above", size()));
}

void StreamStorage::EndTurn(std::uint64_t position) {
  {
    const std::lock_guard lock(mutex_);
    position_.store(position, std::memory_order_relaxed);
  }
  advanced_.notify_all();
}

Result<> StreamStorage::Send(std::span<const std::byte> bytes) {
  const std::uint64_t end = size() + bytes.size();
  while (!bytes.empty()) {
    // A socket that is not our own alone need not be made non-blocking.
    ssize_t put = send(fd_, bytes.data(), bytes.size(), MSG_DONTWAIT | MSG_NOSIGNAL);
    if (put < 0 && errno == ENOTSOCK) put = write(fd_, bytes.data(), bytes.size());
    if (put >= 0) {
      bytes = bytes.subspan(static_cast<std::size_t>(put));
      continue;
    }
    if (errno == EINTR) continue;
    int os_error = errno;
    if (os_error == EAGAIN) {
      const auto ready = WaitFor(fd_, POLLOUT, cancel_);
      if (ready.ok()) continue;
      os_error = ready.error().kind() == ErrorKind::kCancelled ? ECANCELED : ready.error().os_error();
    }
    {
      const std::lock_guard lock(mutex_);
      failure_ = os_error;
    }
    advanced_.notify_all();
    return HostError(os_error);
  }
  EndTurn(end);
  return Done{};
}

Result<> StreamStorage::DoWrite(std::uint64_t offset, std::span<const std::byte> bytes) {
  PLATTER_CHECK(WaitForTurn(offset));
  return Send(bytes);
}

Result<> StreamStorage::DoPunch(std::uint64_t offset, std::uint64_t length) {
  PLATTER_CHECK(WaitForTurn(offset));
  while (length != 0) {
    const std::uint64_t part = std::min<std::uint64_t>(length, kZeros.size());
    PLATTER_CHECK(Send(std::span(kZeros).first(part)));
    length -= part;
  }
  return Done{};
}

Result<> StreamStorage::DoResize(std::uint64_t size) {
  const std::uint64_t position = this->size();
  if (size == position) return Done{};
  // Behind the position this is refused by name; ahead, it is zeros.
  return DoPunch(std::min(size, position), size - std::min(size, position));
}

Result<> StreamStorage::DoAllocate(std::uint64_t /*offset*/, std::uint64_t /*length*/) {
  return Error(ErrorKind::kUnsupported, "space cannot be reserved in a pipe").In(name());
}

Result<> StreamStorage::DoRead(std::uint64_t /*offset*/, std::span<std::byte> /*out*/) {
  return Error(ErrorKind::kUnsupported, "what has gone into a pipe cannot be read back").In(name());
}

Result<DataRun> StreamStorage::DoDataMap(std::uint64_t offset) { return DataRun{size() - offset, true}; }

}  // namespace platter
