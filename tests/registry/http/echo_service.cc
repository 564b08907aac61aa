#include "tests/registry/http/echo_service.h"

#include <fcntl.h>
#include <fmt/format.h>
#include <fmt/ranges.h>
#include <sys/stat.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <thread>
#include <utility>

namespace platter::test {
namespace {

using http::Response;

class FileReader : public registry::StoreReader {
 public:
  FileReader(const std::string& path, bool hidden) : fd_(::open(path.c_str(), O_RDONLY | O_CLOEXEC)), hidden_(hidden) {
    struct stat status {};
    if (::fstat(fd_, &status) == 0) size_ = static_cast<std::uint64_t>(status.st_size);
  }
  ~FileReader() override { ::close(fd_); }
  std::uint64_t size() const noexcept override { return size_; }
  Result<std::size_t> ReadSome(std::uint64_t offset, std::span<std::byte> out) override {
    const ssize_t got = ::pread(fd_, out.data(), out.size(), static_cast<off_t>(offset));
    if (got < 0) return Error::FromErrno(errno, "cannot read");
    return static_cast<std::size_t>(got);
  }
  int fd() const noexcept override { return hidden_ ? -1 : fd_; }

 private:
  int fd_;
  bool hidden_;
  std::uint64_t size_ = 0;
};

Response Text(unsigned status, std::string body) {
  Response response;
  response.status = status;
  response.headers.Add("Content-Type", "text/plain");
  response.body = std::move(body);
  return response;
}

// Counts the body; `early`: answers once so many bytes have come.
class Sum : public http::BodyConsumer {
 public:
  Sum(EchoService& service, std::uint64_t early, bool slow) : service_(service), early_(early), slow_(slow) {}
  ~Sum() override {
    if (!finished_) ++service_.broken_off;
  }
  std::optional<Response> Feed(std::span<const std::byte> bytes) override {
    if (slow_) std::this_thread::sleep_for(std::chrono::milliseconds(100));
    size_ += bytes.size();
    for (const std::byte byte : bytes) sum_ = sum_ * 31 + std::to_integer<std::uint64_t>(byte);
    if (size_ >= early_) return Text(409, fmt::format("enough after {}\n", early_));
    return std::nullopt;
  }
  Response Finish() override {
    finished_ = true;
    return Text(200, fmt::format("{} {:x}\n", size_, sum_));
  }

 protected:
  EchoService& service_;

 private:
  std::uint64_t early_;
  bool slow_;
  bool finished_ = false;
  std::uint64_t size_ = 0;
  std::uint64_t sum_ = 0;
};

class Long final : public Sum {
 public:
  Long(EchoService& service, bool held, std::string owner)
      : Sum(service, UINT64_MAX, false), held_(held), owner_(std::move(owner)) {}
  std::optional<Response> Feed(std::span<const std::byte> bytes) override {
    if (held_) service_.Wait();
    return Sum::Feed(bytes);
  }
  Response Finish() override {
    service_.Wait();
    return Sum::Finish();
  }
  bool takes_long() const noexcept override { return true; }
  std::string owner() const override { return owner_; }

 private:
  const bool held_;
  const std::string owner_;
};

std::string Describe(const http::Request& request) {
  std::string out = fmt::format("{} {}\nsegments [{}]{}\n", request.method, request.target,
                                fmt::join(request.segments, "|"), request.trailing_slash ? " slash" : "");
  for (const auto& [name, value] : request.query) out += fmt::format("query {}={}\n", name, value);
  for (const auto& [name, value] : request.headers.all()) out += fmt::format("{}: {}\n", name, value);
  if (request.content_length) out += fmt::format("length {}\n", *request.content_length);
  if (request.has_body) out += "body\n";
  return out + "base " + request.base + "\n";
}

}  // namespace

http::Answer EchoService::Begin(http::Request request) {
  ++begun;
  const std::string name = request.segments.empty() ? "" : request.segments.front();
  const bool put = request.method == "PUT";
  if (put && name == "echo") {
    return http::WholeBody(
        100000, [](const std::string& body) { return Text(200, fmt::format("{}:{}\n", body.size(), body)); });
  }
  if (put && (name == "sum" || name == "slow")) return std::make_unique<Sum>(*this, UINT64_MAX, name == "slow");
  const std::string second = request.segments.size() > 1 ? request.segments[1] : "";
  if (put && (name == "long" || name == "held")) return std::make_unique<Long>(*this, name == "held", second);
  if (put && name == "early") return std::make_unique<Sum>(*this, std::stoull(second), false);
  if (put && name == "refused") return http::ErrorPage(403, "You may not <this>.");
  if (name == "letters") return Text(200, std::string(std::stoull(second), 'x'));
  if (name == "apart") return Text(200, "apart\n");
  if (name == "none") return Response{.status = 204};
  if (name == "split") {
    Response response = Text(200, "");
    response.headers.Add("Location", "here\r\nSet-Cookie: x");
    return response;
  }
  if (name == "wait") {
    Wait();
    return Text(200, "released\n");
  }
  if (name == "file") {
    Response response = Text(200, "");
    response.file = std::make_unique<FileReader>(file, !request.query.empty());
    response.length = response.file->size();
    if (const auto range = request.headers.Find("Range")) {
      unsigned long first = 0;
      unsigned long last = 0;
      (void)std::sscanf(std::string(*range).c_str(), "bytes=%lu-%lu", &first, &last);
      response.status = 206;
      response.offset = first;
      response.length = last - first + 1;
    }
    return response;
  }
  return Text(200, Describe(request));
}

bool EchoService::IsApart(const http::Request& request) const {
  return !request.segments.empty() && request.segments.front() == "apart";
}

void EchoService::Wait() {
  std::unique_lock lock(mutex_);
  ++waiting;
  released_.wait(lock, [this] { return free_; });
}

void EchoService::Release() {
  const std::lock_guard lock(mutex_);
  free_ = true;
  released_.notify_all();
}

}  // namespace platter::test
