#include "tools/platterd/config/option_table.h"

#include <fmt/format.h>

#include <algorithm>
#include <string>

#include "registry-core/ingest/upload.h"

namespace platter::platterd {
namespace {

using enum OptionKind;
constexpr std::uint64_t kU32 = 0xffffffff;

constexpr OptionRow kOptions[] = {
    {"DEFAULT", "bind_host", kText, "0.0.0.0", "Address to listen on."},
    {"DEFAULT", "bind_port", kNumber, "9292", "Port to listen on; 0 takes a free one.", 0, 65535},
    {"DEFAULT", "backlog", kNumber, "4096", "Connections that the system keeps until they are accepted.", 1, 65535},
    {"DEFAULT", "cert_file", kText, "", "Certificate in PEM: the server speaks TLS."},
    {"DEFAULT", "key_file", kText, "", "Private key in PEM; without it, in `cert_file`."},
    {"DEFAULT", "ca_file", kText, "", "Certificates in PEM that must vouch for clients' certificates."},
    {"DEFAULT", "max_header_line", kNumber, "16384", "Bytes of a request's line and header together.", 1024, 1048576,
     "", true},
    {"DEFAULT", "client_socket_timeout", kNumber, "900",
     "Seconds in which a client must move a byte of a body or an answer, 0 for ever.", 0, kU32, "", true},
    {"DEFAULT", "http_keepalive", kSwitch, "true", "Whether a connection outlives its first request.", 0, 1, "", true},
    {"DEFAULT", "public_endpoint", kText, "", "How clients reach the service, for links in answers."},
    {"DEFAULT", "enabled_backends", kList, "",
     "Stores, each NAME:TYPE (file or http); each has a section of its name."},
    {"DEFAULT", "show_image_direct_url", kSwitch, "false", "Whether answers have `direct_url`."},
    {"DEFAULT", "show_multiple_locations", kSwitch, "false",
     "Whether answers have `locations`, and patches may change them."},
    {"DEFAULT", "limit_param_default", kNumber, "25", "Images on a page where the client does not say.", 1, kU32},
    {"DEFAULT", "api_limit_max", kNumber, "1000", "Images on a page at most.", 1, kU32},
    {"DEFAULT", "image_property_quota", kNumber, "128", "Properties of an image; below 0: any number.", 0, kU32, "",
     false, true},
    {"DEFAULT", "image_tag_quota", kNumber, "128", "Tags of an image; below 0: any number.", 0, kU32, "", false, true},
    {"DEFAULT", "image_member_quota", kNumber, "128", "Members of an image; below 0: any number.", 0, kU32, "", false,
     true},
    {"DEFAULT", "image_location_quota", kNumber, "10", "Locations of an image; below 0: any number.", 0, kU32, "",
     false, true},
    {"DEFAULT", "image_size_cap", kNumber, "1099511627776", "Bytes of an image.", 1, std::uint64_t{1} << 63},
    {"DEFAULT", "user_storage_quota", kText, "0",
     "Bytes of a project's images together (KB, MB, GB, TB may follow); 0: any."},
    {"DEFAULT", "hashing_algorithm", kChoice, "sha512", "Digest for `os_hash_value`.", 0, 0,
     "md5,sha1,sha224,sha256,sha384,sha512"},
    {"DEFAULT", "enabled_import_methods", kList, "glance-direct,web-download", "Ways to import an image."},
    {"DEFAULT", "node_staging_uri", kText, "",
     "Folder for staged images, as file:// URL; without it, one in the state folder. Servers with one database share "
     "it."},
    {"DEFAULT", "debug", kSwitch, "false", "Whether the log has everything.", 0, 1, "", true},
    {"DEFAULT", "log_file", kText, "",
     "Where the log goes; without it, to standard error, which is the journal for a service."},
    {"DEFAULT", "log_dir", kText, "", "Folder that a relative `log_file` counts from."},
    {"DEFAULT", "use_json", kSwitch, "false", "Whether lines of the log are JSON."},
    {"database", "connection", kSecret, "",
     "sqlite:///PATH, mysql+pymysql://USER:PASSWORD@HOST/NAME or postgresql://...; without "
     "it, an SQLite file in the state folder."},
    {"database", "max_pool_size", kNumber, "8", "Connections to the database; 0: as many as are needed.", 0, 1000},
    {"glance_store", "stores", kList, "file,http", "Kinds of stores, where `enabled_backends` is not set."},
    {"glance_store", "default_store", kText, "file", "Kind of the store that takes uploads."},
    {"glance_store", "default_backend", kText, "",
     "Name of the store that takes uploads, of those in `enabled_backends`."},
    {"os_glance_staging_store", "filesystem_store_datadir", kText, "",
     "Folder for staged images where `enabled_backends` is set, in place of `node_staging_uri`."},
    {"store", "filesystem_store_datadir", kText, "",
     "Folder of the images; without it, `images` in the state folder, or, of several stores without one, "
     "`images/NAME`."},
    {"store", "filesystem_store_datadirs", kMany, "", "Several, each PATH:PRIORITY."},
    {"store", "filesystem_store_file_perm", kNumber, "0",
     "Mode of new files, octal as a decimal number (640); 0: the usual.", 0, 777},
    {"store", "filesystem_thin_provisioning", kSwitch, "true", "Whether zeros take no space."},
    {"store", "https_ca_certificates_file", kText, "", "Certificates in PEM that vouch for servers."},
    {"store", "https_insecure", kSwitch, "false", "Whether any certificate will do."},
    {"store", "store_description", kText, "", "For people, in the list of stores."},
    {"paste_deploy", "flavor", kChoice, "",
     "`keystone`: callers have tokens; without it everybody is an administrator.", 0, 0,
     ",keystone,keystone+caching,keystone+cachemanagement,caching,cachemanagement"},
    {"keystone_authtoken", "auth_url", kText, "", "The identity service."},
    {"keystone_authtoken", "www_authenticate_uri", kText, "",
     "What 401 tells clients; without `auth_url` it is that, too."},
    {"keystone_authtoken", "username", kText, "glance", "This service's name."},
    {"keystone_authtoken", "password", kSecret, "", "This service's password."},
    {"keystone_authtoken", "project_name", kText, "service", "This service's project."},
    {"keystone_authtoken", "user_domain_name", kText, "Default", "Domain of its name."},
    {"keystone_authtoken", "user_domain_id", kText, "", "Domain of its name, by id."},
    {"keystone_authtoken", "project_domain_name", kText, "Default", "Domain of its project."},
    {"keystone_authtoken", "project_domain_id", kText, "", "Domain of its project, by id."},
    {"keystone_authtoken", "cafile", kText, "", "Certificates in PEM that vouch for the identity service."},
    {"keystone_authtoken", "insecure", kSwitch, "false", "Whether any certificate of it will do."},
    {"keystone_authtoken", "token_cache_time", kNumber, "300",
     "Seconds that a token's answer is remembered, below 0 none; one that is revoked meanwhile counts until then.", 0,
     kU32, "", false, true},
    {"keystone_authtoken", "http_connect_timeout", kNumber, "10", "Seconds in which the identity service must answer.",
     1, 600},
    {"keystone_authtoken", "service_token_roles", kList, "service",
     "Roles, one of which an X-Service-Token must have."},
    {"keystone_authtoken", "service_token_roles_required", kSwitch, "false",
     "Whether a service token without them is refused."},
    {"oslo_policy", "enforce_new_defaults", kSwitch, "false",
     "Whether who writes needs the role member, who reads the role reader, and who removes a location the role admin."},
    {"image_format", "disk_formats", kList, "", "Disk formats that images may have; without it, all."},
    {"image_format", "container_formats", kList, "", "Container formats that images may have; without it, all."},
    {"image_format", "require_image_format_match", kSwitch, "true", "Whether an image must be what it is declared as."},
    {"import_filtering_opts", "allowed_schemes", kList, "http,https", "Schemes that web-download may fetch."},
    {"import_filtering_opts", "allowed_hosts", kList, "",
     "Hosts that it may ask; without it, all that are not private."},
    {"import_filtering_opts", "allowed_ports", kList, "80,443", "Ports that it may ask."},
    {"import_filtering_opts", "disallowed_schemes", kList, "",
     "Where nothing is allowed by name: schemes that it may not."},
    {"import_filtering_opts", "disallowed_hosts", kList, "",
     "Where nothing is allowed by name: hosts that it may not."},
    {"import_filtering_opts", "disallowed_ports", kList, "",
     "Where nothing is allowed by name: ports that it may not."},
    {"platter", "state", kText, "",
     "Folder for what has no place of its own; without it, $PLATTER_STATE, for root "
     "/var/lib/platter, for others $XDG_STATE_HOME/platter."},
    {"platter", "io_threads", kNumber, "2", "Threads that serve sockets.", 1, 256},
    {"platter", "workers", kNumber, "16",
     "Threads that work on requests; as many more move the bytes of images, half as many look through what was "
     "uploaded.",
     1, 1024},
    {"platter", "imports_at_once", kNumber, "4",
     "Imports of each method that run at a time; others wait. Half of the web-downloads are a project's, at most.", 1,
     1024},
    {"platter", "download_rate", kNumber, "65536",
     "Bytes a second that a web-download must bring once its server was waited for for a minute; 0: any.", 0, kU32},
    {"platter", "download_time", kNumber, "86400", "Seconds that a web-download may take; 0: any.", 0, kU32},
    {"platter", "unpack_memory", kNumber, "1073741824",
     "Bytes that compressed uploads may make the service hold together, those of a project a quarter, or 320 MiB; one "
     "that asks for more than is left gets 503.",
     registry::kMostUnpackMemory, std::uint64_t{1} << 40},
    {"platter", "max_connections", kNumber, "1024",
     "Connections at a time, or fewer where the limit of open files is low; for another one the one that has been "
     "without a request longest is closed.",
     1, 1000000, "", true},
    {"platter", "header_time", kNumber, "20", "Seconds for a request's header, and for a connection's first byte.", 1,
     3600, "", true},
    {"platter", "keep_alive_time", kNumber, "75", "Seconds that a connection may lie idle between requests.", 1, 86400,
     "", true},
    {"platter", "minimum_rate", kNumber, "1024", "Bytes a second that a client must move; 0: any.", 0, kU32, "", true},
    {"platter", "drain_time", kNumber, "30", "Seconds for requests to finish when the service stops.", 0, 3600, "",
     true},
    {"platter", "metrics_host", kText, "127.0.0.1", "Address of /metrics, which the API's port does not serve."},
    {"platter", "metrics_port", kNumber, "", "Port of /metrics; without it there are no metrics, 0 takes a free one.",
     0, 65535},
};

constexpr std::string_view kNoQueue = "platterd sends no notifications and has no message queue";
constexpr std::string_view kNoKind = "platterd has no store of that kind";
constexpr std::string_view kOwnPolicy = "the rules are Glance's default policies, built in";
constexpr std::string_view kOwnLog = "the log has its own form; rotating files is logrotate's";

constexpr IdleRow kIdle[] = {
    {"DEFAULT", "workers", "one process serves all; see [platter] workers"},
    {"DEFAULT", "registry_host registry_port registry_client_protocol data_api", "the registry is built in"},
    {"DEFAULT",
     "transport_url control_exchange rpc_conn_pool_size conn_pool_min_size conn_pool_ttl executor_thread_pool_size "
     "rpc_response_timeout rpc_ping_enabled default_publisher_id disabled_notifications",
     kNoQueue},
    {"DEFAULT",
     "log_config_append log_date_format watch_log_file use_syslog use_journal syslog_log_facility use_stderr "
     "use_eventlog "
     "log_rotate_interval log_rotate_interval_type max_logfile_count max_logfile_size_mb log_rotation_type "
     "logging_context_format_string logging_default_format_string logging_debug_format_suffix logging_exception_prefix "
     "logging_user_identity_format default_log_levels publish_errors instance_format instance_uuid_format "
     "rate_limit_interval rate_limit_burst rate_limit_except_level fatal_deprecations verbose",
     kOwnLog},
    {"DEFAULT", "image_cache_sqlite_db image_cache_driver image_cache_max_size image_cache_stall_time image_cache_dir",
     "images are sent from the store itself"},
    {"DEFAULT", "delayed_delete scrub_time scrub_pool_size", "what is deleted is gone at once"},
    {"DEFAULT", "enforce_secure_rbac property_protection_file property_protection_rule_format policy_file", kOwnPolicy},
    {"DEFAULT", "use_keystone_limits", "limits are those of this file"},
    {"DEFAULT",
     "allow_anonymous_access max_request_id_length allow_additional_image_properties pydev_worker_debug_host "
     "pydev_worker_debug_port metadata_encryption_key digest_algorithm worker_self_reference_url location_strategy "
     "pipe_handle tcp_keepidle lock_path",
     "platterd does not do this"},
    {"database", "*", "the catalog looks after its connections itself"},
    {"glance_store", "*", kNoKind},
    {"store", "filesystem_store_chunk_size filesystem_store_metadata_file http_proxy_information",
     "the store does not need it"},
    {"store", "*", kNoKind},
    {"os_glance_staging_store", "*", "what is staged needs its folder alone"},
    {"os_glance_tasks_store", "*", "imports need no folder of their own"},
    {"paste_deploy", "config_file", "there is no pipeline to configure"},
    {"keystone_authtoken", "*", "answers of the identity service are remembered in platterd's own memory"},
    {"image_format", "vmdk_allowed_types gpt_safety_checks_nonfatal",
     "every upload is inspected; see docs/security.md"},
    {"healthcheck", "*", "/healthcheck is always there"},
    {"task", "*", "imports run on platterd's own workers"},
    {"taskflow_executor", "*", "imports run on platterd's own workers"},
    {"wsgi", "*", "there is no WSGI server"},
    {"oslo_policy", "*", kOwnPolicy},
    {"oslo_concurrency", "*", "no lock files are needed"},
    {"oslo_limit", "*", "limits are those of this file"},
    {"oslo_middleware", "*", "links are made with public_endpoint"},
    {"oslo_reports", "*", "there are no such reports"},
    {"oslo_messaging_amqp", "*", kNoQueue},
    {"oslo_messaging_kafka", "*", kNoQueue},
    {"oslo_messaging_notifications", "*", kNoQueue},
    {"oslo_messaging_rabbit", "*", kNoQueue},
    {"barbican", "*", "signatures are not checked, and keys stay where they are"},
    {"barbican_service_user", "*", "signatures are not checked, and keys stay where they are"},
    {"key_manager", "*", "signatures are not checked, and keys stay where they are"},
    {"vault", "*", "signatures are not checked, and keys stay where they are"},
    {"cinder", "*", kNoKind},
    {"os_brick", "*", kNoKind},
    {"file", "*", "settings of a store count where enabled_backends names it"},
    {"glance.store.http.store", "*", kNoKind},
    {"glance.store.rbd.store", "*", kNoKind},
    {"glance.store.s3.store", "*", kNoKind},
    {"glance.store.swift.store", "*", kNoKind},
    {"glance.store.vmware_datastore.store", "*", kNoKind},
    {"store_type_location_strategy", "*", "locations are tried in their order"},
    {"cors", "*", "platterd answers no other origins"},
    {"profiler", "*", "there is no such profiler"},
    {"image_import_opts", "*", "platterd has no plugins for imports"},
    {"image_conversion", "*", "platterd has no plugins for imports"},
    {"inject_metadata_properties", "*", "platterd has no plugins for imports"},
    {"glance_download_opts", "*", "platterd imports from no other Glance"},
};

bool Names(std::string_view names, std::string_view name) {
  const std::string padded = fmt::format(" {} ", names);
  return names == "*" || padded.find(fmt::format(" {} ", name)) != std::string::npos;
}

std::string KindText(const OptionRow& row) {
  switch (row.kind) {
    case kText:
    case kSecret:
      return "text";
    case kNumber:
      if (row.negative) return "number, -1";
      if (row.most >= kU32) return row.least == 0 ? "number" : fmt::format("number from {}", row.least);
      return fmt::format("{} to {}", row.least, row.most);
    case kSwitch:
      return "true, false";
    case kList:
      return "list";
    case kMany:
      return "text, several times";
    case kChoice:
      break;
  }
  std::string choices(row.choices.substr(row.choices.starts_with(',') ? 1 : 0));
  for (std::size_t at = 0; (at = choices.find(',', at)) != std::string::npos; at += 2) choices.insert(at + 1, " ");
  return choices;
}

}  // namespace

std::span<const OptionRow> Options() noexcept { return kOptions; }
std::span<const IdleRow> IdleOptions() noexcept { return kIdle; }

const OptionRow* FindOption(std::string_view section, std::string_view name) noexcept {
  const auto* row = std::find_if(std::begin(kOptions), std::end(kOptions), [&](const OptionRow& candidate) {
    return candidate.section == section && candidate.name == name;
  });
  return row == std::end(kOptions) ? nullptr : row;
}

const IdleRow* FindIdleOption(std::string_view section, std::string_view name) noexcept {
  const auto* row = std::find_if(std::begin(kIdle), std::end(kIdle), [&](const IdleRow& candidate) {
    return candidate.section == section && Names(candidate.names, name);
  });
  return row == std::end(kIdle) ? nullptr : row;
}

std::string ConfigReference() {
  std::string out;
  std::string_view section;
  for (const OptionRow& row : kOptions) {
    if (row.section != section) {
      section = row.section;
      const std::string title =
          section == "store" ? "[glance_store], and the section of each store" : fmt::format("[{}]", section);
      out += fmt::format("### {}\n\n| option | values | default | |\n|---|---|---|---|\n", title);
    }
    const std::string standard = row.standard.empty() ? "" : fmt::format("`{}`", row.standard);
    out += fmt::format("| `{}` | {} | {} | {}{} |\n", row.name, KindText(row), standard, row.help,
                       row.reloads ? " Reloaded." : "");
    if (&row == std::end(kOptions) - 1 || (&row + 1)->section != section) out += "\n";
  }
  out += "### Taken without effect\n\n| section | options | why |\n|---|---|---|\n";
  for (const IdleRow& row : kIdle) {
    const std::string names = row.names == "*" ? "all others" : std::string(row.names);
    out += fmt::format("| [{}] | {} | {} |\n", row.section == "store" ? "glance_store] and stores [NAME" : row.section,
                       names, row.reason);
  }
  return out;
}

}  // namespace platter::platterd
