#include "tools/platterd/config/settings.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <charconv>
#include <filesystem>
#include <limits>

#include "tools/platterd/config/values.h"

namespace platter::platterd {
namespace {

constexpr std::uint64_t kMostImageBytes = std::uint64_t{1} << 62;

std::string Lower(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](unsigned char c) { return std::tolower(c); });
  return text;
}

std::string StateFolder(const Values& values, const Environment& environment) {
  if (values.Has("platter", "state")) return values.Text("platter", "state");
  if (std::string folder = environment("PLATTER_STATE"); !folder.empty()) return folder;
  if (::geteuid() == 0) return "/var/lib/platter";
  if (const std::string folder = environment("XDG_STATE_HOME"); !folder.empty()) return folder + "/platter";
  const std::string home = environment("HOME");
  return (home.empty() ? "/tmp" : home + "/.local/state") + "/platter";
}

void ReadServer(const Values& values, bool embedded, Settings& out) {
  http::ServerOptions& server = out.server;
  const bool chosen = values.Has("DEFAULT", "bind_host");
  server.address = embedded && !chosen ? "127.0.0.1" : values.Text("DEFAULT", "bind_host");
  server.port = static_cast<std::uint16_t>(values.Number("DEFAULT", "bind_port"));
  server.backlog = static_cast<int>(values.Number("DEFAULT", "backlog"));
  server.cert_file = values.Text("DEFAULT", "cert_file");
  server.key_file = values.Text("DEFAULT", "key_file");
  server.ca_file = values.Text("DEFAULT", "ca_file");
  server.io_threads = static_cast<unsigned>(values.Number("platter", "io_threads"));
  server.workers = static_cast<unsigned>(values.Number("platter", "workers"));
  const auto seconds = [&values](std::string_view section, std::string_view name) {
    return std::chrono::seconds(values.Number(section, name));
  };
  http::ServerLimits& limits = server.limits;
  limits.head.bytes = values.Number("DEFAULT", "max_header_line");
  limits.head_time = seconds("platter", "header_time");
  limits.keep_alive_time = seconds("platter", "keep_alive_time");
  limits.keep_alive = values.Switch("DEFAULT", "http_keepalive");
  limits.stall_time = seconds("DEFAULT", "client_socket_timeout");
  if (limits.stall_time.count() == 0) limits.stall_time = std::chrono::hours(24 * 365);
  limits.minimum_rate = values.Number("platter", "minimum_rate");
  limits.connections = values.Number("platter", "max_connections");
  out.drain_time = seconds("platter", "drain_time");
  out.log.debug = values.Switch("DEFAULT", "debug");
  out.log.json = values.Switch("DEFAULT", "use_json");
  out.log.file = values.Text("DEFAULT", "log_file");
  const std::string folder = values.Text("DEFAULT", "log_dir");
  if (!out.log.file.empty() && out.log.file.front() != '/' && !folder.empty())
    out.log.file = folder + "/" + out.log.file;
  out.metrics_host = values.Text("platter", "metrics_host");
  if (values.Has("platter", "metrics_port")) {
    out.metrics_port = static_cast<std::uint16_t>(values.Number("platter", "metrics_port"));
  }
}

// "10", "10B", "10GB": bytes, units of 1024.
std::optional<std::uint64_t> ParseBytes(std::string_view text) {
  std::uint64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc()) return std::nullopt;
  const std::string_view unit(end, static_cast<std::size_t>(text.data() + text.size() - end));
  if (unit.empty() || unit == "B") return number;
  constexpr std::string_view kUnits = "KMGTP";
  const std::size_t power = kUnits.find(unit.front());
  if (unit.size() != 2 || unit[1] != 'B' || power == std::string_view::npos) return std::nullopt;
  const std::uint64_t factor = std::uint64_t{1} << (10 * (power + 1));
  return number > UINT64_MAX / factor ? std::nullopt : std::optional(number * factor);
}

Result<> ReadApi(const Values& values, Settings& out) {
  const auto number = [&values](std::string_view name) {
    return static_cast<std::uint32_t>(values.Number("DEFAULT", name, UINT32_MAX));
  };
  ApiOptions& api = out.api;
  if (values.Has("DEFAULT", "public_endpoint")) {
    std::string url = values.Text("DEFAULT", "public_endpoint");
    if (!url.starts_with("http://") && !url.starts_with("https://")) {
      return values.Wrong("DEFAULT", "public_endpoint", "a URL with http or https");
    }
    while (url.ends_with('/')) url.pop_back();
    api.public_endpoint = std::move(url);
  }
  api.show_image_direct_url = values.Switch("DEFAULT", "show_image_direct_url");
  api.show_multiple_locations = values.Switch("DEFAULT", "show_multiple_locations");
  api.limit_default = number("limit_param_default");
  api.limit_max = number("api_limit_max");
  api.property_quota = number("image_property_quota");
  api.tag_quota = number("image_tag_quota");
  api.member_quota = number("image_member_quota");
  api.location_quota = number("image_location_quota");
  api.access.new_defaults = values.Switch("oslo_policy", "enforce_new_defaults");
  api.many_stores = values.Has("DEFAULT", "enabled_backends");
  api.import_methods.clear();
  for (std::string& method : values.List("DEFAULT", "enabled_import_methods")) {
    if (method == "copy-image" || method == "glance-download") {
      out.remarks.push_back(fmt::format("enabled_import_methods: platterd does not import by {}", method));
      continue;
    }
    if (method != "glance-direct" && method != "web-download") {
      return values.Wrong("DEFAULT", "enabled_import_methods",
                          "glance-direct, web-download, copy-image, glance-download");
    }
    api.import_methods.push_back(std::move(method));
  }
  api.disk_formats = values.List("image_format", "disk_formats");
  api.container_formats = values.List("image_format", "container_formats");
  out.ingest.max_image_bytes = std::min(values.Number("DEFAULT", "image_size_cap"), kMostImageBytes);
  if (values.Number("DEFAULT", "image_size_cap") > kMostImageBytes) {
    out.remarks.push_back(fmt::format("image_size_cap: platterd takes images of {} bytes at most", kMostImageBytes));
  }
  out.ingest.hash_algorithm = values.Text("DEFAULT", "hashing_algorithm");
  out.ingest.require_format_match = values.Switch("image_format", "require_image_format_match");
  out.unpack_memory = values.Number("platter", "unpack_memory");
  out.imports_at_once = static_cast<unsigned>(values.Number("platter", "imports_at_once"));
  out.download_pace.least_rate = values.Number("platter", "download_rate");
  out.download_pace.longest = std::chrono::seconds(values.Number("platter", "download_time"));
  const auto quota = ParseBytes(values.Text("DEFAULT", "user_storage_quota"));
  if (!quota) return values.Wrong("DEFAULT", "user_storage_quota", "a number, with B, KB, MB, GB, TB or PB");
  if (*quota > 0) out.ingest.quota_bytes = *quota;
  return Done();
}

// Without a folder, where the section names none.
Result<StoreSettings> ReadStore(const Values& values, const std::string& section, std::string name, std::string type) {
  StoreSettings store{
      .name = std::move(name), .type = std::move(type), .description = {}, .folders = {}, .ca_file = {}};
  store.description = values.Text(section, "store_description");
  store.ca_file = values.Text(section, "https_ca_certificates_file");
  store.insecure = values.Switch(section, "https_insecure");
  store.sparse = values.Switch(section, "filesystem_thin_provisioning");
  const std::string mode = values.Text(section, "filesystem_store_file_perm");
  const auto [end, error] = std::from_chars(mode.data(), mode.data() + mode.size(), store.file_mode, 8);
  if (error != std::errc() || end != mode.data() + mode.size()) {
    return values.Wrong(section, "filesystem_store_file_perm", "a mode in octal digits, such as 640");
  }
  if (store.type != "file") return store;
  if (values.Has(section, "filesystem_store_datadir")) {
    if (values.Has(section, "filesystem_store_datadirs")) {
      return values.Wrong(section, "filesystem_store_datadirs", "nothing, where filesystem_store_datadir is set");
    }
    store.folders.emplace_back(values.Text(section, "filesystem_store_datadir"), 0);
    return store;
  }
  for (const std::string& text : values.Many(section, "filesystem_store_datadirs")) {
    const std::size_t colon = text.rfind(':');
    std::int32_t priority = 0;
    if (colon != std::string::npos) {
      const char* last = text.data() + text.size();
      const auto parsed = std::from_chars(text.data() + colon + 1, last, priority);
      if (parsed.ec != std::errc() || parsed.ptr != last) {
        return values.Wrong(section, "filesystem_store_datadirs", "PATH or PATH:PRIORITY");
      }
    }
    store.folders.emplace_back(text.substr(0, colon), priority);
  }
  return store;
}

// One store that names no folder has STATE/images; of several each has one of its own, as their objects would not be
// told apart.
Result<> FillInFolders(const Values& values, Settings& out) {
  const auto wants = [](const StoreSettings& store) { return store.type == "file" && store.folders.empty(); };
  const bool alone = std::ranges::count_if(out.stores, wants) == 1;
  for (StoreSettings& store : out.stores) {
    if (!wants(store)) continue;
    if (!alone && (store.name.find('/') != std::string::npos || store.name.starts_with('.'))) {
      return values.Wrong(store.name, "filesystem_store_datadir",
                          "a folder, as the name of the store is not that of one");
    }
    store.folders.emplace_back(out.state + (alone ? "/images" : "/images/" + store.name), 0);
  }
  return Done();
}

// With enabled_backends, Glance takes the folder from a store that is reserved for it, and node_staging_uri has no
// effect there. Configurations that have node_staging_uri alone keep what it says.
Result<> ReadStaging(const Values& values, Settings& out) {
  constexpr std::string_view kReserved = "os_glance_staging_store";
  constexpr std::string_view kFolder = "filesystem_store_datadir";
  const bool reserved = values.Has(kReserved, kFolder);
  if (reserved && values.Has("DEFAULT", "enabled_backends")) {
    out.staging = values.Text(kReserved, kFolder);
    if (!out.staging.starts_with('/')) {
      return values.Wrong(kReserved, kFolder, "a folder such as /var/lib/glance/staging");
    }
    if (values.Has("DEFAULT", "node_staging_uri")) {
      out.remarks.emplace_back("[DEFAULT] node_staging_uri has no effect: [os_glance_staging_store] counts");
    }
    return Done();
  }
  if (reserved) {
    out.remarks.emplace_back(
        "[os_glance_staging_store] filesystem_store_datadir has no effect without enabled_backends");
  }
  out.staging = values.Text("DEFAULT", "node_staging_uri");
  if (out.staging.starts_with("file://")) out.staging.erase(0, 7);
  if (out.staging.empty()) out.staging = out.state + "/staging";
  if (out.staging.front() != '/' && values.Has("DEFAULT", "node_staging_uri")) {
    return values.Wrong("DEFAULT", "node_staging_uri", "a URL such as file:///var/lib/glance/staging");
  }
  return Done();
}

Result<> ReadStores(const Values& values, Settings& out) {
  const auto backends = values.List("DEFAULT", "enabled_backends");
  for (const std::string& backend : backends) {
    const std::size_t colon = backend.find(':');
    const std::string name = backend.substr(0, colon);
    const std::string type = colon == std::string::npos ? "" : backend.substr(colon + 1);
    if (name.empty() || (type != "file" && type != "http") || Lower(name).starts_with("os_glance_")) {
      return values.Wrong("DEFAULT", "enabled_backends",
                          "NAME:file or NAME:http, commas between; names with os_glance_ are reserved");
    }
    out.stores.push_back(PLATTER_TRY(ReadStore(values, name, name, type)));
  }
  if (!backends.empty()) {
    out.default_store = values.Text("glance_store", "default_backend");
    const bool known = std::any_of(out.stores.begin(), out.stores.end(),
                                   [&out](const StoreSettings& store) { return store.name == out.default_store; });
    if (!known) return values.Wrong("glance_store", "default_backend", "one of enabled_backends");
    return Done();
  }
  for (const std::string& kind : values.List("glance_store", "stores")) {
    const bool file = kind == "file" || kind == "filesystem" || kind == "glance.store.filesystem.Store";
    if (!file && kind != "http" && kind != "glance.store.http.Store") {
      return values.Wrong("glance_store", "stores", "file, http; others are not implemented");
    }
    const std::string type = file ? "file" : "http";
    out.stores.push_back(PLATTER_TRY(ReadStore(values, "glance_store", type, type)));
  }
  out.default_store = values.Text("glance_store", "default_store");
  if (out.default_store == "filesystem") out.default_store = "file";
  if (out.default_store != "file") return values.Wrong("glance_store", "default_store", "file");
  return Done();
}

Result<> ReadKeystone(const Values& values, Settings& out) {
  if (!values.Text("paste_deploy", "flavor").starts_with("keystone")) return Done();
  constexpr std::string_view kSection = "keystone_authtoken";
  KeystoneSettings keystone;
  keystone.shown_url = values.Text(kSection, "www_authenticate_uri");
  keystone.auth_url = values.Text(kSection, "auth_url");
  if (keystone.auth_url.empty()) keystone.auth_url = keystone.shown_url;
  if (keystone.shown_url.empty()) keystone.shown_url = keystone.auth_url;
  if (!keystone.auth_url.starts_with("http://") && !keystone.auth_url.starts_with("https://")) {
    return values.Wrong(kSection, "auth_url", "a URL with http or https");
  }
  while (keystone.auth_url.ends_with('/')) keystone.auth_url.pop_back();
  if (!keystone.auth_url.ends_with("/v3")) keystone.auth_url += "/v3";
  keystone.username = values.Text(kSection, "username");
  keystone.password = values.Text(kSection, "password");
  keystone.project = values.Text(kSection, "project_name");
  keystone.user_domain_name = values.Text(kSection, "user_domain_name");
  keystone.user_domain_id = values.Text(kSection, "user_domain_id");
  keystone.project_domain_name = values.Text(kSection, "project_domain_name");
  keystone.project_domain_id = values.Text(kSection, "project_domain_id");
  keystone.ca_file = values.Text(kSection, "cafile");
  keystone.insecure = values.Switch(kSection, "insecure");
  keystone.cache_time = std::chrono::seconds(values.Number(kSection, "token_cache_time"));
  keystone.timeout = std::chrono::seconds(values.Number(kSection, "http_connect_timeout"));
  keystone.service_roles = values.List(kSection, "service_token_roles");
  for (std::string& role : keystone.service_roles) role = Lower(std::move(role));
  keystone.service_roles_required = values.Switch(kSection, "service_token_roles_required");
  out.keystone = std::move(keystone);
  return Done();
}

Result<std::vector<std::uint16_t>> ReadPorts(const Values& values, std::string_view name) {
  std::vector<std::uint16_t> ports;
  for (const std::string& text : values.List("import_filtering_opts", name)) {
    std::uint16_t port = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
    if (error != std::errc() || end != text.data() + text.size() || port == 0) {
      return values.Wrong("import_filtering_opts", name, "ports, from 1 to 65535, commas between");
    }
    ports.push_back(port);
  }
  return ports;
}

Result<> ReadDownload(const Values& values, registry::WebRules& out) {
  const auto list = [&values](std::string_view name) { return values.List("import_filtering_opts", name); };
  out.allowed_schemes = list("allowed_schemes");
  out.allowed_hosts = list("allowed_hosts");
  out.allowed_ports = PLATTER_TRY(ReadPorts(values, "allowed_ports"));
  out.disallowed_schemes = list("disallowed_schemes");
  out.disallowed_hosts = list("disallowed_hosts");
  out.disallowed_ports = PLATTER_TRY(ReadPorts(values, "disallowed_ports"));
  return Done();
}

// Of a glance-registry.conf the address is another service's, which is built in here.
bool IsForeign(const Setting& setting) {
  if (std::filesystem::path(setting.file).filename() != "glance-registry.conf" || setting.section != "DEFAULT")
    return false;
  return setting.name == "bind_host" || setting.name == "bind_port" || setting.name == "backlog";
}

}  // namespace

Result<Settings> MakeSettings(const std::vector<Setting>& given, bool embedded, const Environment& environment) {
  Settings out;
  std::vector<Setting> counted;
  for (const Setting& setting : given) {
    if (!IsForeign(setting)) {
      counted.push_back(setting);
      continue;
    }
    out.remarks.push_back(fmt::format("{}:{}: [{}] {} has no effect: the registry is built in", setting.file,
                                      setting.line, setting.section, setting.name));
  }
  const Values values = PLATTER_TRY(Values::Make(counted, out.remarks));
  out.state = StateFolder(values, environment);
  ReadServer(values, embedded, out);
  out.database = values.Text("database", "connection");
  if (out.database.empty()) out.database = fmt::format("sqlite:///{}/registry.sqlite", out.state);
  // As SQLAlchemy, for which 0 is no limit.
  const std::uint64_t connections = values.Number("database", "max_pool_size");
  out.catalog.connections =
      connections == 0 ? std::numeric_limits<unsigned>::max() : static_cast<unsigned>(connections);
  PLATTER_CHECK(ReadApi(values, out));
  PLATTER_CHECK(ReadStores(values, out));
  PLATTER_CHECK(FillInFolders(values, out));
  PLATTER_CHECK(ReadStaging(values, out));
  PLATTER_CHECK(ReadKeystone(values, out));
  PLATTER_CHECK(ReadDownload(values, out.download));
  return out;
}

Result<Settings> LoadSettings(const std::vector<std::string>& files, const Environment& environment) {
  std::vector<Setting> all;
  for (const std::string& file : files) {
    auto settings = PLATTER_TRY(ReadConfigFile(file));
    std::move(settings.begin(), settings.end(), std::back_inserter(all));
  }
  return MakeSettings(all, files.empty(), environment);
}

}  // namespace platter::platterd
