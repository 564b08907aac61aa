// IdentityClient: the two calls of Keystone's API that a service needs.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "formats/core/result.h"
#include "registry-core/model/image_record.h"
#include "tools/platterd/config/settings.h"

namespace platter::platterd {

struct Identity {
  std::string user;                    // id
  std::optional<std::string> project;  // id; a token may have no scope, or another one
  std::vector<std::string> roles;      // lower case
  registry::Instant expires{};
};

// Thread-safe; calls block for KeystoneSettings::timeout at most, each.
class IdentityClient {
 public:
  explicit IdentityClient(KeystoneSettings settings);
  ~IdentityClient();
  IdentityClient(const IdentityClient&) = delete;
  IdentityClient& operator=(const IdentityClient&) = delete;

  // Whose token it is; empty for a token that is none (any more). `expired_too`: as long as Keystone lets services do
  // so (allow_expired). kIo where the service is away, does not know us, or answers what nobody understands.
  Result<std::optional<Identity>> Validate(const std::string& token, bool expired_too);

 private:
  struct Answer {
    long status = 0;
    std::string body;
    std::string subject_token;  // X-Subject-Token
  };
  struct OwnToken {
    std::string text;
    registry::Instant expires{};
  };
  // To get a token of our own: one asks, the others wait for what comes of it.
  struct Attempt {
    bool over = false;
    std::string failure;  // what kIo says; "" for none
  };
  class Handles;

  Result<Answer> Call(const std::string& path, const std::vector<std::string>& headers, const std::string* body);
  // Our own token; a new one where it is about to expire, or is `refused`.
  Result<std::string> ServiceToken(std::string_view refused);
  Result<OwnToken> AskForToken();

  KeystoneSettings settings_;
  std::unique_ptr<Handles> handles_;
  std::mutex mutex_;
  std::condition_variable attempted_;
  std::shared_ptr<Attempt> attempt_;  // null: none runs
  OwnToken own_;
};

}  // namespace platter::platterd
