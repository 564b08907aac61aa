// Settings: what the configuration says, checked, in the types of those who use it.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "formats/core/result.h"
#include "registry-core/ingest/upload.h"
#include "registry-core/ingest/web_source.h"
#include "registry-core/web/web_rules.h"
#include "tools/platterd/api/api.h"
#include "tools/platterd/config/config_file.h"
#include "tools/platterd/http/server.h"

namespace platter::platterd {

struct StoreSettings {
  std::string name;  // "file", or as enabled_backends has it
  std::string type;  // "file" or "http"
  std::string description;
  std::vector<std::pair<std::string, std::int32_t>> folders;  // of images, with their priorities
  std::uint32_t file_mode = 0;                                // 0: as the process's umask has it
  bool sparse = true;
  std::string ca_file;
  bool insecure = false;
};

struct KeystoneSettings {
  std::string auth_url;   // with /v3 at its end, without a slash
  std::string shown_url;  // for WWW-Authenticate
  std::string username, password, project;
  std::string user_domain_name, user_domain_id, project_domain_name, project_domain_id;
  std::string ca_file;
  bool insecure = false;
  std::chrono::seconds cache_time{300};
  std::chrono::seconds timeout{10};
  std::vector<std::string> service_roles;  // lower case
  bool service_roles_required = false;
};

struct LogSettings {
  bool debug = false;
  bool json = false;
  std::string file;  // "": standard error
};

struct Settings {
  std::string state;  // folder
  http::ServerOptions server;
  std::chrono::seconds drain_time{30};
  std::string database;  // a URL
  registry::CatalogOptions catalog;
  std::vector<StoreSettings> stores;
  std::string default_store;
  std::string staging;  // folder
  ApiOptions api;
  registry::IngestRules ingest;
  std::uint64_t unpack_memory = 0;  // bytes; IngestContext's
  unsigned imports_at_once = 0;
  registry::WebPace download_pace;
  registry::WebRules download;  // what web-download, and locations, may ask
  std::optional<KeystoneSettings> keystone;
  LogSettings log;
  std::string metrics_host;
  std::optional<std::uint16_t> metrics_port;
  // What is to be told: options that are unknown, or have no effect; a line each, without values.
  std::vector<std::string> remarks;
};

// Environment variables by name; "" for none.
using Environment = std::function<std::string(const char*)>;

// What all files say together, later ones over earlier ones. Without any: the embedded default, on 127.0.0.1 and with
// all in the state folder. kInvalid with file, line, the value found (but for secrets) and the allowed ones.
Result<Settings> MakeSettings(const std::vector<Setting>& given, bool embedded, const Environment& environment);
Result<Settings> LoadSettings(const std::vector<std::string>& files, const Environment& environment);

}  // namespace platter::platterd
