// What an audit has found to be in order so far, in a file by which it can go on after it was killed.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <unordered_map>

#include "convert/hash/audit.h"
#include "formats/core/result.h"

namespace platter::cli {

// A line for each file, added as soon as the file is verified; each carries a checksum, so that a line that was torn
// by a crash counts for nothing. For one thread at a time; locked against other processes.
class AuditState {
 public:
  // `resume` false: kInvalid when the file holds an audit that did not come to its end. kInvalid when it is another
  // kind of file, or another audit has it open; kIo from the host.
  static Result<std::unique_ptr<AuditState>> Open(const std::string& path, bool resume);
  ~AuditState();
  AuditState(const AuditState&) = delete;
  AuditState& operator=(const AuditState&) = delete;

  // It was found to be in order with the same digests, and was not touched since.
  bool Knows(const AuditedFile& file) const;
  // It is in order. Survives the end of this process at once, a power failure after some seconds. kIo from the host.
  Result<> Add(const AuditedFile& file, const FileStamp& stamp);
  // The audit came to its end: removes the file. kIo from the host.
  Result<> End();

 private:
  using Clock = std::chrono::steady_clock;

  explicit AuditState(std::string path) : path_(std::move(path)) {}
  Result<> OpenFile();
  Result<> Load(bool resume);
  void TakeLine(const std::string& line);
  Result<> Append(const std::string& text);

  const std::string path_;
  int fd_ = -1;
  std::unordered_map<std::string, FileStamp> known_;  // by KeyOf
  Clock::time_point synced_ = Clock::now();
};

}  // namespace platter::cli
