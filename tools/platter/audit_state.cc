#include "tools/platter/audit_state.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <optional>
#include <span>
#include <string_view>
#include <utility>

#include "convert/hash/digest.h"
#include "tools/platter/digest_list.h"

namespace platter::cli {
namespace {

constexpr std::string_view kHeader = "platter audit state 1\n";
constexpr std::chrono::seconds kSyncPeriod{5};
constexpr mode_t kMode = 0666;  // less the umask

// What a line is about: the digests and the path, on one line.
std::string KeyOf(const AuditedFile& file) {
  std::string key;
  for (const RecordedDigest& recorded : file.recorded) {
    key += fmt::format("{}{}:{}", key.empty() ? "" : ",", TraitsOf(recorded.algorithm).name, recorded.hex);
  }
  return key + ' ' + ListedName(file.path);
}

Result<std::string> ChecksumOf(std::string_view text) {
  Digest digest = PLATTER_TRY(Digest::Make(DigestAlgorithm::kCrc32c));
  const DigestValue value = PLATTER_TRY(digest.Of(std::as_bytes(std::span(text))));
  return value.Hex();
}

// Takes the number in front of a space off `text`.
template <class Number>
std::optional<Number> TakeNumber(std::string_view& text) {
  Number number{};
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (failure != std::errc() || end == text.data() + text.size() || *end != ' ') return std::nullopt;
  text.remove_prefix(static_cast<std::size_t>(end - text.data()) + 1);
  return number;
}

}  // namespace

Result<std::unique_ptr<AuditState>> AuditState::Open(const std::string& path, bool resume) {
  std::unique_ptr<AuditState> state(new AuditState(path));
  auto opened = state->OpenFile();
  if (opened.ok()) opened = state->Load(resume);
  if (!opened.ok()) return std::move(opened).error().In(path);
  return state;
}

AuditState::~AuditState() {
  if (fd_ < 0) return;
  fdatasync(fd_);
  close(fd_);
}

Result<> AuditState::OpenFile() {
  fd_ = open(path_.c_str(), O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, kMode);
  if (fd_ < 0) return Error::FromErrno(errno, "cannot open the audit's state");
  struct stat status {};
  if (fstat(fd_, &status) != 0) return Error::FromErrno(errno, "cannot stat the audit's state");
  if (!S_ISREG(status.st_mode)) return Error(ErrorKind::kInvalid, "an audit's state is a regular file");
  if (flock(fd_, LOCK_EX | LOCK_NB) == 0) return Done{};
  if (errno == EWOULDBLOCK) return Error(ErrorKind::kInvalid, "another audit keeps its state in this file");
  return Error::FromErrno(errno, "cannot lock the audit's state");
}

// Reads what is there, and cuts off a line that has no end.
Result<> AuditState::Load(bool resume) {
  std::string text;
  std::array<char, 65536> piece{};
  while (true) {
    const ssize_t got = pread(fd_, piece.data(), piece.size(), static_cast<off_t>(text.size()));
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return Error::FromErrno(errno, "cannot read the audit's state");
    if (got == 0) break;
    text.append(piece.data(), static_cast<std::size_t>(got));
    if (!text.starts_with(kHeader.substr(0, text.size()))) {
      return Error(ErrorKind::kInvalid, "this file is not an audit's state");
    }
  }
  const std::size_t whole = text.find_last_of('\n') + 1;  // 0 without any
  if (whole != 0 && !resume) {
    return Error(ErrorKind::kInvalid, "an audit that did not come to its end left this file")
        .Try("go on with --resume, or remove the file");
  }
  if (whole != text.size() && ftruncate(fd_, static_cast<off_t>(whole)) != 0) {
    return Error::FromErrno(errno, "cannot shorten the audit's state");
  }
  if (whole == 0) return Append(std::string(kHeader));
  for (std::size_t at = kHeader.size(); at < whole;) {
    const std::size_t end = text.find('\n', at);
    TakeLine(text.substr(at, end - at));
    at = end + 1;
  }
  return Done{};
}

// "CRC32C SIZE MODIFIED INODE KEY". What makes no sense is passed over: its file is verified again.
void AuditState::TakeLine(const std::string& line) {
  const std::size_t space = line.find(' ');
  if (space == std::string::npos) return;
  std::string_view rest = std::string_view(line).substr(space + 1);
  const auto checksum = ChecksumOf(rest);
  if (!checksum.ok() || checksum.value() != line.substr(0, space)) return;
  const auto size = TakeNumber<std::uint64_t>(rest);
  const auto modified = size ? TakeNumber<std::int64_t>(rest) : std::nullopt;
  const auto inode = modified ? TakeNumber<std::uint64_t>(rest) : std::nullopt;
  if (inode) known_[std::string(rest)] = {.size = *size, .modified = *modified, .inode = *inode};
}

bool AuditState::Knows(const AuditedFile& file) const {
  const auto known = known_.find(KeyOf(file));
  if (known == known_.end()) return false;
  auto now = StampOf(file.path);
  // The numbers of devices change when a machine starts anew.
  if (now) now->device = known->second.device;
  return now == known->second;
}

Result<> AuditState::Add(const AuditedFile& file, const FileStamp& stamp) {
  const std::string line = fmt::format("{} {} {} {}", stamp.size, stamp.modified, stamp.inode, KeyOf(file));
  const std::string checksum = PLATTER_TRY(ChecksumOf(line));
  PLATTER_CHECK(Append(checksum + ' ' + line + '\n'));
  const auto now = Clock::now();
  if (now - synced_ < kSyncPeriod) return Done{};
  synced_ = now;
  if (fdatasync(fd_) != 0) return Error::FromErrno(errno, "cannot write the audit's state").In(path_);
  return Done{};
}

Result<> AuditState::Append(const std::string& text) {
  for (std::size_t at = 0; at < text.size();) {
    const ssize_t put = write(fd_, text.data() + at, text.size() - at);
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return Error::FromErrno(errno, "cannot write the audit's state").In(path_);
    at += static_cast<std::size_t>(put);
  }
  return Done{};
}

Result<> AuditState::End() {
  if (unlink(path_.c_str()) != 0) return Error::FromErrno(errno, "cannot remove the audit's state").In(path_);
  return Done{};
}

}  // namespace platter::cli
