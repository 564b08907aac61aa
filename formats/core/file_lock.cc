#include "formats/core/file_lock.h"

#include <fcntl.h>

#include <array>
#include <cerrno>
#include <span>
#include <string>

namespace platter {
namespace {

constexpr off_t kUsesBase = 100;
constexpr off_t kRefusesBase = 200;

struct Permission {
  off_t bit;
  const char* name;
};
constexpr Permission kConsistentRead{0, "consistent read"};
constexpr Permission kWrite{1, "write"};
constexpr Permission kResize{3, "resize"};

constexpr std::array kReaderUses = {kConsistentRead};
constexpr std::array kReaderRefuses = {kWrite, kResize};
constexpr std::array kWriterUses = {kConsistentRead, kWrite, kResize};
constexpr std::array kWriterRefuses = {kWrite, kResize};

struct flock OneByte(short type, off_t byte) {
  struct flock lock {};
  lock.l_type = type;
  lock.l_whence = SEEK_SET;
  lock.l_start = byte;
  lock.l_len = 1;
  return lock;
}

bool LacksLocks(int os_error) { return os_error == EINVAL || os_error == ENOLCK || os_error == EOPNOTSUPP; }

// True when the lock is held or the file system knows no locks.
Result<> Hold(int fd, off_t byte) {
  struct flock lock = OneByte(F_RDLCK, byte);
  if (fcntl(fd, F_OFD_SETLK, &lock) == 0 || LacksLocks(errno)) return Done{};
  return Error::FromErrno(errno, "cannot lock the image");
}

Result<> ExpectFree(int fd, off_t byte, const char* mode, const char* permission) {
  struct flock lock = OneByte(F_WRLCK, byte);
  if (fcntl(fd, F_OFD_GETLK, &lock) != 0 || lock.l_type == F_UNLCK) return Done{};
  return Error(ErrorKind::kDenied, std::string("Failed to get ") + mode + "\"" + permission + "\" lock")
      .Try("is another process using the image? -U reads it all the same");
}

}  // namespace

Result<> LockImage(int fd, LockIntent intent) {
  const std::span<const Permission> uses =
      intent == LockIntent::kRead ? std::span<const Permission>(kReaderUses) : std::span<const Permission>(kWriterUses);
  const std::span<const Permission> refuses = intent == LockIntent::kRead ? std::span<const Permission>(kReaderRefuses)
                                                                          : std::span<const Permission>(kWriterRefuses);
  for (const Permission& permission : uses) PLATTER_CHECK(Hold(fd, kUsesBase + permission.bit));
  for (const Permission& permission : refuses) PLATTER_CHECK(Hold(fd, kRefusesBase + permission.bit));
  for (const Permission& permission : uses) {
    PLATTER_CHECK(ExpectFree(fd, kRefusesBase + permission.bit, "", permission.name));
  }
  for (const Permission& permission : refuses) {
    PLATTER_CHECK(ExpectFree(fd, kUsesBase + permission.bit, "shared ", permission.name));
  }
  return Done{};
}

}  // namespace platter
