// WebReader's other half: what libcurl sees of it.
#pragma once

#include <curl/curl.h>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "formats/core/result.h"
#include "registry-core/web/web_reader.h"

namespace platter::registry {

class WebReader::Connection {
 public:
  explicit Connection(WebOptions options);
  ~Connection();
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  Result<> Open(std::string_view text, WebRange range);
  Result<std::size_t> ReadSome(std::span<std::byte> out);
  void Cancel() noexcept;

  std::optional<std::uint64_t> size() const noexcept { return size_; }
  bool ranged() const noexcept { return ranged_; }
  std::string url() const { return url_.Text(); }
  const std::string& version() const noexcept { return version_; }

 private:
  enum class Until : std::uint8_t { kHead, kBytes };

  static curl_socket_t OpenSocket(void* self, curlsocktype purpose, curl_sockaddr* address);
  static std::size_t TakeHeader(char* data, std::size_t size, std::size_t count, void* self);
  static std::size_t TakeBody(char* data, std::size_t size, std::size_t count, void* self);

  bool IsCancelled();
  void Close();
  Result<> Start(const WebRange& range);
  void SetOptions(const WebRange& range);
  Result<> Fill(std::span<std::byte> out);
  Result<> Drive(Until until);
  void Perform();
  bool Reached(Until until) const noexcept { return code_ || (until == Until::kHead ? head_done_ : filled_ > 0); }
  Result<> CheckPatience(std::chrono::steady_clock::duration waited);
  Error Failure(CURLcode code) const;

  long status() const;
  std::string Header(const char* name) const;
  Result<WebUrl> Redirected() const;
  Result<> Judge(const WebRange& range);
  Result<> JudgeRange(const WebRange& range);

  const WebOptions options_;
  const std::unique_ptr<CURLM, decltype(&curl_multi_cleanup)> multi_;
  const std::unique_ptr<CURL, decltype(&curl_easy_cleanup)> easy_;
  const std::unique_ptr<curl_slist, decltype(&curl_slist_free_all)> fields_;
  std::atomic<bool> cancelled_ = false;

  // Of the request that runs.
  bool running_ = false;
  WebUrl url_;
  bool connected_ = false;        // to an address that may be asked
  std::optional<Error> refused_;  // one that may not
  std::size_t head_bytes_ = 0;
  bool head_done_ = false;
  std::optional<CURLcode> code_;  // it has come to its end
  std::chrono::steady_clock::duration waited_{};
  std::uint64_t waited_bytes_ = 0;  // that came meanwhile

  // Of the object.
  std::optional<std::uint64_t> size_;
  bool ranged_ = false;
  std::string version_;
  std::optional<std::uint64_t> left_;  // bytes still to be handed out, where that is known

  std::span<std::byte> out_;  // where bytes go now
  std::size_t filled_ = 0;    // of out_
  std::vector<std::byte> spill_;
  std::size_t spill_used_ = 0;
  bool paused_ = false;
};

}  // namespace platter::registry
