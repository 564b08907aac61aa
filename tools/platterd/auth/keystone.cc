#include "tools/platterd/auth/keystone.h"

#include <openssl/sha.h>

#include <algorithm>
#include <condition_variable>
#include <deque>
#include <exception>
#include <map>
#include <mutex>
#include <optional>
#include <utility>

#include "tools/platterd/auth/identity_client.h"

namespace platter::platterd {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kMaxRemembered = 10000;
constexpr std::size_t kMaxToken = 8192;
constexpr std::chrono::seconds kRefusalTime{10};

constexpr std::string_view kUnauthorized =
    "This server could not verify that you are authorized to access the document you requested. Either you supplied "
    "the "
    "wrong credentials (e.g., bad password), or your browser does not understand how to supply the credentials "
    "required.";
constexpr std::string_view kAway = "The server is currently unavailable. Please try again at a later time.";

std::string KeyOf(std::string_view token, bool expired_too) {
  unsigned char digest[SHA256_DIGEST_LENGTH];
  SHA256(reinterpret_cast<const unsigned char*>(token.data()), token.size(), digest);
  return std::string(reinterpret_cast<const char*>(digest), sizeof digest) + (expired_too ? "+" : "");
}

bool LooksLikeToken(std::string_view token) {
  return !token.empty() && token.size() <= kMaxToken &&
         std::all_of(token.begin(), token.end(), [](char c) { return c > ' ' && c < 0x7f; });
}

// An answer may be remembered for longer than the token counts.
bool IsOver(const Identity& identity) { return identity.expires <= std::chrono::system_clock::now(); }

// What is known of a token. The one who finds it unknown asks, the others wait for that.
struct Knowledge {
  bool asked = false;                // the answer is there
  bool away = false;                 // there was none
  std::optional<Identity> identity;  // empty for a token that is none
  Clock::time_point until{};
};

}  // namespace

class Keystone::Impl {
 public:
  Impl(KeystoneSettings settings, Complaint complain)
      : settings_(settings), complain_(std::move(complain)), client_(std::move(settings)) {}

  // Empty where the identity service is away.
  std::optional<std::optional<Identity>> Judge(std::string_view token, bool expired_too) {
    if (!LooksLikeToken(token)) return std::optional<Identity>();
    const std::string key = KeyOf(token, expired_too);
    std::unique_lock lock(mutex_);
    const auto found = known_.find(key);
    std::shared_ptr<Knowledge> knowledge = found == known_.end() ? nullptr : found->second;
    if (knowledge && (!knowledge->asked || Clock::now() < knowledge->until)) {
      answered_.wait(lock, [&] { return knowledge->asked; });
    } else {
      knowledge = Remember(key);
      lock.unlock();
      try {
        auto identity = client_.Validate(std::string(token), expired_too);
        lock.lock();
        Learn(*knowledge, std::move(identity));
      } catch (const std::exception&) {  // memory that is not there; the others wait for an answer all the same
        if (!lock.owns_lock()) lock.lock();
        knowledge->asked = knowledge->away = true;
      }
      if (knowledge->away) Forget(key, knowledge);
      answered_.notify_all();
    }
    if (knowledge->away) return std::nullopt;
    return knowledge->identity;
  }

  http::Response Unauthorized() const {
    http::Response response = http::ErrorPage(401, kUnauthorized);
    response.headers.Add("Www-Authenticate", "Keystone uri=\"" + settings_.shown_url + "\"");
    return response;
  }

  bool IsService(const Identity& identity) const {
    return std::any_of(settings_.service_roles.begin(), settings_.service_roles.end(), [&](const std::string& role) {
      return std::find(identity.roles.begin(), identity.roles.end(), role) != identity.roles.end();
    });
  }
  bool service_roles_required() const { return settings_.service_roles_required; }

 private:
  std::shared_ptr<Knowledge> Remember(const std::string& key) {
    auto knowledge = std::make_shared<Knowledge>();
    if (!known_.contains(key)) order_.push_back(key);
    known_[key] = knowledge;
    while (order_.size() > kMaxRemembered) {
      known_.erase(order_.front());
      order_.pop_front();
    }
    return knowledge;
  }

  void Forget(const std::string& key, const std::shared_ptr<Knowledge>& knowledge) {
    const auto found = known_.find(key);
    if (found == known_.end() || found->second != knowledge) return;
    known_.erase(found);
    order_.erase(std::find(order_.begin(), order_.end(), key));
  }

  void Learn(Knowledge& knowledge, Result<std::optional<Identity>> answer) {
    knowledge.asked = true;
    if (!answer.ok()) {
      knowledge.away = true;
      complain_(answer.error().Describe());
      return;
    }
    knowledge.identity = std::move(answer).value();
    knowledge.until = Clock::now() + (knowledge.identity ? settings_.cache_time : kRefusalTime);
  }

  KeystoneSettings settings_;
  Complaint complain_;
  IdentityClient client_;
  std::mutex mutex_;
  std::condition_variable answered_;
  std::map<std::string, std::shared_ptr<Knowledge>, std::less<>> known_;
  std::deque<std::string> order_;  // of known_, the oldest first
};

Keystone::Keystone(KeystoneSettings settings, Complaint complain)
    : impl_(std::make_unique<Impl>(std::move(settings), std::move(complain))) {}
Keystone::~Keystone() = default;

namespace {

http::Response Away() {
  http::Response response = http::ErrorPage(503, kAway);
  response.trouble = "the identity service is away";
  return response;
}

}  // namespace

std::variant<registry::Caller, http::Response> Keystone::Authenticate(const http::Request& request) {
  const auto token = request.headers.Find("X-Auth-Token");
  if (!token) return impl_->Unauthorized();
  bool by_service = false;
  if (const auto service = request.headers.Find("X-Service-Token")) {
    const auto identity = impl_->Judge(*service, false);
    if (!identity) return Away();
    if (!*identity) return impl_->Unauthorized();
    if (IsOver(**identity)) return impl_->Unauthorized();
    by_service = impl_->IsService(**identity);
    if (!by_service && impl_->service_roles_required()) return impl_->Unauthorized();
  }
  // A service may finish what a user began whose token has expired meanwhile.
  const auto identity = impl_->Judge(*token, by_service);
  if (!identity) return Away();
  if (!*identity) return impl_->Unauthorized();
  if (!by_service && IsOver(**identity)) return impl_->Unauthorized();
  registry::Caller caller;
  caller.user = (*identity)->user;
  caller.project = (*identity)->project;
  caller.roles = (*identity)->roles;
  caller.admin = std::find(caller.roles.begin(), caller.roles.end(), "admin") != caller.roles.end();
  caller.request_id = request.id;
  return caller;
}

}  // namespace platter::platterd
