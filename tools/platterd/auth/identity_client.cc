#include "tools/platterd/auth/identity_client.h"

#include <curl/curl.h>
#include <fmt/format.h>

#include <algorithm>
#include <boost/json.hpp>
#include <cctype>
#include <exception>
#include <utility>

#include "tools/platterd/http/text.h"

namespace platter::platterd {
namespace {

namespace json = boost::json;

constexpr std::size_t kMaxAnswer = 4 << 20;
constexpr std::size_t kMaxHandles = 32;
constexpr std::chrono::seconds kRenewBefore{60};

registry::Instant Now() {
  return std::chrono::time_point_cast<std::chrono::microseconds>(std::chrono::system_clock::now());
}

// Null where the path leads nowhere.
const json::value* At(const json::value* value, std::initializer_list<std::string_view> path) {
  for (const std::string_view name : path) {
    const json::object* object = value == nullptr ? nullptr : value->if_object();
    value = object == nullptr ? nullptr : object->if_contains(name);
  }
  return value;
}

std::optional<std::string> TextAt(const json::value& root, std::initializer_list<std::string_view> path) {
  const json::value* value = At(&root, path);
  const json::string* text = value == nullptr ? nullptr : value->if_string();
  return text == nullptr ? std::nullopt : std::optional<std::string>(std::string(text->data(), text->size()));
}

std::optional<json::value> Parse(const std::string& text) {
  boost::system::error_code error;
  json::value value = json::parse(text, error);
  return error ? std::nullopt : std::optional<json::value>(std::move(value));
}

std::optional<Identity> ReadIdentity(const std::string& text) {
  const auto root = Parse(text);
  if (!root) return std::nullopt;
  const auto user = TextAt(*root, {"token", "user", "id"});
  const auto expires = registry::ParseInstant(TextAt(*root, {"token", "expires_at"}).value_or(""));
  if (!user || !expires) return std::nullopt;
  Identity identity{*user, TextAt(*root, {"token", "project", "id"}), {}, *expires};
  const json::value* roles = At(&*root, {"token", "roles"});
  const json::array* list = roles == nullptr ? nullptr : roles->if_array();
  if (list == nullptr) return identity;
  for (const json::value& role : *list) {
    std::string name = TextAt(role, {"name"}).value_or("");
    std::transform(name.begin(), name.end(), name.begin(), [](unsigned char c) { return std::tolower(c); });
    identity.roles.push_back(std::move(name));
  }
  return identity;
}

json::object DomainOf(const std::string& id, const std::string& name) {
  if (!id.empty()) return {{"id", id}};
  return {{"name", name}};
}

std::string PasswordRequest(const KeystoneSettings& settings) {
  const json::object user = {{"name", settings.username},
                             {"password", settings.password},
                             {"domain", DomainOf(settings.user_domain_id, settings.user_domain_name)}};
  const json::object project = {{"name", settings.project},
                                {"domain", DomainOf(settings.project_domain_id, settings.project_domain_name)}};
  const json::object identity = {{"methods", json::array{"password"}}, {"password", json::object{{"user", user}}}};
  return json::serialize(
      json::object{{"auth", json::object{{"identity", identity}, {"scope", json::object{{"project", project}}}}}});
}

// libcurl's callbacks: what is not taken ends the call.
std::size_t TakeBody(char* data, std::size_t size, std::size_t count, void* target) {
  auto& body = *static_cast<std::string*>(target);
  if (body.size() + size * count > kMaxAnswer) return 0;
  try {
    body.append(data, size * count);
  } catch (const std::exception&) {  // not to go through libcurl
    return 0;
  }
  return size * count;
}

std::size_t TakeHeader(char* data, std::size_t size, std::size_t count, void* target) {
  std::string_view line(data, size * count);
  while (line.ends_with('\r') || line.ends_with('\n')) line.remove_suffix(1);
  constexpr std::string_view kName = "X-Subject-Token:";
  if (http::SameName(line.substr(0, kName.size()), kName)) {
    try {
      *static_cast<std::string*>(target) = http::Trim(line.substr(kName.size()));
    } catch (const std::exception&) {  // not to go through libcurl
      return 0;
    }
  }
  return size * count;
}

}  // namespace

// Connections that are open are used again.
class IdentityClient::Handles {
 public:
  using Handle = std::unique_ptr<CURL, decltype(&curl_easy_cleanup)>;

  Handles() { (void)curl_global_init(CURL_GLOBAL_DEFAULT); }
  Handle Take() {
    const std::lock_guard lock(mutex_);
    if (free_.empty()) return {curl_easy_init(), &curl_easy_cleanup};
    Handle handle = std::move(free_.back());
    free_.pop_back();
    curl_easy_reset(handle.get());
    return handle;
  }
  void Give(Handle handle) {
    const std::lock_guard lock(mutex_);
    if (free_.size() < kMaxHandles) free_.push_back(std::move(handle));
  }

 private:
  std::mutex mutex_;
  std::vector<Handle> free_;
};

IdentityClient::IdentityClient(KeystoneSettings settings)
    : settings_(std::move(settings)), handles_(std::make_unique<Handles>()) {}
IdentityClient::~IdentityClient() = default;

Result<IdentityClient::Answer> IdentityClient::Call(const std::string& path, const std::vector<std::string>& headers,
                                                    const std::string* body) {
  Handles::Handle handle = handles_->Take();
  if (!handle) return Error(ErrorKind::kIo, "libcurl has no handle");
  std::unique_ptr<curl_slist, decltype(&curl_slist_free_all)> list(nullptr, &curl_slist_free_all);
  for (const std::string& header : headers) {
    curl_slist* longer = curl_slist_append(list.get(), header.c_str());
    if (longer == nullptr) return Error(ErrorKind::kIo, "libcurl has no memory");
    (void)list.release();
    list.reset(longer);
  }
  Answer answer;
  CURL* curl = handle.get();
  const std::string url = settings_.auth_url + path;
  curl_easy_setopt(curl, CURLOPT_URL, url.c_str());
  curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
  curl_easy_setopt(curl, CURLOPT_HTTPHEADER, list.get());
  curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
  curl_easy_setopt(curl, CURLOPT_TIMEOUT, static_cast<long>(settings_.timeout.count()));
  curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, &TakeBody);
  curl_easy_setopt(curl, CURLOPT_WRITEDATA, &answer.body);
  curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, &TakeHeader);
  curl_easy_setopt(curl, CURLOPT_HEADERDATA, &answer.subject_token);
  if (body != nullptr) {
    curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, static_cast<long>(body->size()));
    curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body->c_str());
  }
  if (!settings_.ca_file.empty()) curl_easy_setopt(curl, CURLOPT_CAINFO, settings_.ca_file.c_str());
  if (settings_.insecure) {
    curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 0L);
    curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 0L);
  }
  const CURLcode code = curl_easy_perform(curl);
  if (code != CURLE_OK) {
    return Error(ErrorKind::kIo, fmt::format("the identity service is away: {}", curl_easy_strerror(code)));
  }
  curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &answer.status);
  handles_->Give(std::move(handle));
  return answer;
}

Result<std::string> IdentityClient::ServiceToken(std::string_view refused) {
  std::unique_lock lock(mutex_);
  const bool fresh = !own_.text.empty() && Now() + kRenewBefore < own_.expires;
  if (fresh && own_.text != refused) return own_.text;
  if (const auto running = attempt_) {
    attempted_.wait(lock, [&] { return running->over; });
    return running->failure.empty() ? Result<std::string>(own_.text) : Error(ErrorKind::kIo, running->failure);
  }
  const auto attempt = attempt_ = std::make_shared<Attempt>();
  const auto end = [&] {
    attempt->over = true;
    attempt_.reset();
    attempted_.notify_all();
  };
  lock.unlock();
  try {
    auto token = AskForToken();
    lock.lock();
    if (!token.ok()) attempt->failure = token.error().Describe();
    if (token.ok()) own_ = std::move(token).value();
  } catch (...) {  // the others wait all the same
    if (!lock.owns_lock()) lock.lock();
    end();
    throw;
  }
  end();
  return attempt->failure.empty() ? Result<std::string>(own_.text) : Error(ErrorKind::kIo, attempt->failure);
}

Result<IdentityClient::OwnToken> IdentityClient::AskForToken() {
  const std::string request = PasswordRequest(settings_);
  const Answer answer = PLATTER_TRY(Call("/auth/tokens", {"Content-Type: application/json", "Expect:"}, &request));
  if (answer.status != 201) {
    return Error(ErrorKind::kIo, fmt::format("the identity service gives us no token: HTTP {}", answer.status));
  }
  const auto identity = ReadIdentity(answer.body);
  if (!identity || answer.subject_token.empty()) {
    return Error(ErrorKind::kIo, "the identity service's answer has no token in it");
  }
  return OwnToken{answer.subject_token, identity->expires};
}

Result<std::optional<Identity>> IdentityClient::Validate(const std::string& token, bool expired_too) {
  std::string refused;
  for (int attempt = 0; attempt < 2; ++attempt) {
    const std::string own = PLATTER_TRY(ServiceToken(refused));
    const Answer answer =
        PLATTER_TRY(Call(expired_too ? "/auth/tokens?nocatalog&allow_expired=1" : "/auth/tokens?nocatalog",
                         {"X-Auth-Token: " + own, "X-Subject-Token: " + token}, nullptr));
    if (answer.status == 404 || answer.status == 400) return std::optional<Identity>();
    if (answer.status == 401) {
      refused = own;
      continue;
    }
    if (answer.status != 200) {
      return Error(ErrorKind::kIo, fmt::format("the identity service does not judge a token: HTTP {}", answer.status));
    }
    auto identity = ReadIdentity(answer.body);
    if (!identity) return Error(ErrorKind::kIo, "the identity service's answer about a token is none");
    return std::optional<Identity>(std::move(identity));
  }
  return Error(ErrorKind::kIo, "the identity service refuses our own token");
}

}  // namespace platter::platterd
