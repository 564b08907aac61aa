#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <filesystem>
#include <fstream>
#include <limits>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "tests/support/temp_dir.h"
#include "tools/platterd/config/config_file.h"
#include "tools/platterd/config/option_table.h"
#include "tools/platterd/config/settings.h"
#include "tools/platterd/service/log.h"

namespace platter::platterd {
namespace {

using testing::HasSubstr;

struct ReadRow {
  std::string_view text;
  std::string_view read;  // "section.name=value" for each, ";" between; or "!" and what the error says
};

const ReadRow kReads[] = {
    {"", ""},
    {"[a]\nb = c\n", "a.b=c"},
    {"[a]\nb: c", "a.b=c"},
    {"[a]\nb=c:d", "a.b=c:d"},
    {"[a]\nb:c=d", "a.b=c=d"},
    {"[a]\r\nb = c\r\n", "a.b=c"},
    {"\xef\xbb\xbf[a]\nb = c\n", "a.b=c"},
    {"[a]\nb-c = 1", "a.b_c=1"},
    {"[a]\nb = \"c d\"\ne = 'f'\ng = \"h'", "a.b=c d;a.e=f;a.g=\"h'"},
    {"[a]\nb = c # d\n# e = f\n; g = h\n", "a.b=c # d"},
    {"[a]\nb = c\n d\n\te\n", "a.b=c\nd\ne"},
    {"[a]\nb =\n[c]\nd = 1\nd = 2", "a.b=;c.d=1;c.d=2"},
    {"b = c", "!f:1: an option in front of every [section]"},
    {"[a]\n\nb", "!f:3: neither a [section] nor an option"},
    {"[a", "!f:1: a section without a ]"},
    {"[]", "!f:1: a section without a name"},
    {"[a]\n= c", "!f:2: an option without a name"},
    {"[a]\n b = c", "!f:2: a line that goes on with nothing"},
    {"[a]\nb = c\n\n d", "!f:4: a line that goes on with nothing"},
};

TEST(Config, FilesAreReadAsOsloDoes) {
  for (const ReadRow& row : kReads) {
    const auto settings = ReadConfig(row.text, "f");
    if (row.read.starts_with('!')) {
      ASSERT_FALSE(settings.ok()) << row.text;
      EXPECT_THAT(settings.error().what(), testing::StartsWith(std::string(row.read.substr(1))));
      continue;
    }
    ASSERT_TRUE(settings.ok()) << row.text;
    std::string read;
    for (const Setting& setting : settings.value()) {
      read += fmt::format("{}{}.{}={}", read.empty() ? "" : ";", setting.section, setting.name, setting.value);
    }
    EXPECT_EQ(read, row.read);
  }
}

std::string NoEnvironment(const char* name) { return std::string_view(name) == "PLATTER_STATE" ? "/state" : ""; }

Result<Settings> From(std::string_view text) {
  const auto given = PLATTER_TRY(ReadConfig(text, "f"));
  return MakeSettings(given, false, NoEnvironment);
}

struct WrongRow {
  std::string_view text;
  std::string_view says;
};

const WrongRow kWrong[] = {
    {"[DEFAULT]\nbind_port = 70000", "f:2: [DEFAULT] bind_port: wrong value"},
    {"[DEFAULT]\nbind_port = 80x", "0 to 65535"},
    {"[DEFAULT]\nbind_port = -1", "0 to 65535"},
    {"[DEFAULT]\nimage_tag_quota = -x", "0 to 4294967295, -1"},
    {"[DEFAULT]\nimage_size_cap = 9223372036854775809", "1 to 9223372036854775808"},
    {"[DEFAULT]\ndebug = maybe", "true, 1, on, yes, false, 0, off, no"},
    {"[DEFAULT]\nhashing_algorithm = crc", "md5,sha1,sha224,sha256,sha384,sha512"},
    {"[DEFAULT]\nbind_host = $nothing", "$nothing is no option"},
    {"[DEFAULT]\nbind_host = $bind_host", "in a circle"},
    {"[DEFAULT]\nenabled_backends = a", "NAME:file or NAME:http"},
    {"[DEFAULT]\nenabled_backends = a:file", "default_backend is missing"},
    {"[DEFAULT]\nenabled_backends = a:file\n[glance_store]\ndefault_backend = b", "one of enabled_backends"},
    {"[glance_store]\nstores = file,rbd", "file, http; others are not implemented"},
    {"[glance_store]\ndefault_store = http", "f:2"},
    {"[glance_store]\nfilesystem_store_datadirs = /a:x", "PATH or PATH:PRIORITY"},
    {"[glance_store]\nfilesystem_store_file_perm = 690", "octal"},
    {"[DEFAULT]\nuser_storage_quota = 5XB", "KB"},
    {"[DEFAULT]\npublic_endpoint = ftp://a", "a URL with http or https"},
    {"[DEFAULT]\nnode_staging_uri = http://a", "file:///"},
    {"[DEFAULT]\nenabled_backends = os_glance_mine:file", "os_glance_ are reserved"},
    {"[DEFAULT]\nenabled_backends = a:file\n[glance_store]\ndefault_backend = a\n"
     "[os_glance_staging_store]\nfilesystem_store_datadir = staging",
     "a folder such as /"},
    {"[DEFAULT]\nenabled_backends = a:file, ../b:file\n[glance_store]\ndefault_backend = a",
     "[../b] filesystem_store_datadir is missing"},
    {"[import_filtering_opts]\nallowed_ports = 80,https", "f:2: [import_filtering_opts] allowed_ports: wrong value"},
    {"[import_filtering_opts]\ndisallowed_ports = 0", "from 1 to 65535"},
    {"[paste_deploy]\nflavor = keystone", "auth_url is missing"},
    {"[paste_deploy]\nflavor = ldap", "keystone"},
};

TEST(Config, WrongValuesAreErrors) {
  for (const WrongRow& row : kWrong) {
    const auto settings = From(row.text);
    ASSERT_FALSE(settings.ok()) << row.text;
    EXPECT_EQ(settings.error().kind(), ErrorKind::kInvalid);
    EXPECT_THAT(settings.error().Describe(), HasSubstr(std::string(row.says))) << row.text;
  }
}

// As oslo.config reads them.
TEST(Config, SectionsHaveNoCase) {
  const auto settings = From(R"([DEFAULT]
enabled_backends = Fast:file, slow:file
log_file = $Glance_Store.default_backend
[Default]
bind_port = 1
[GLANCE_STORE]
default_backend = slow
[FAST]
filesystem_store_datadir = /a
[Slow]
filesystem_store_datadir = /b
[Paste_Deploy]
flavor = keystone
[Keystone_AuthToken]
auth_url = http://controller:5000
auth_type = password
)");
  ASSERT_TRUE(settings.ok()) << settings.error().Describe();
  const Settings& out = settings.value();
  EXPECT_TRUE(out.keystone) << "nobody is an administrator for a capital letter";
  EXPECT_EQ(out.stores[0].name, "Fast");
  EXPECT_EQ(out.stores[0].folders[0].first, "/a");
  EXPECT_EQ(out.stores[1].folders[0].first, "/b");
  EXPECT_EQ(out.default_store, "slow");
  EXPECT_EQ(out.log.file, "slow");
  EXPECT_EQ(out.server.port, 9292) << "there is one DEFAULT";
  ASSERT_EQ(out.remarks.size(), 2U);
  EXPECT_THAT(out.remarks[0] + out.remarks[1], HasSubstr("[Default] bind_port is unknown"));
  EXPECT_THAT(out.remarks[0] + out.remarks[1], HasSubstr("[Keystone_AuthToken] auth_type has no effect"));
}

TEST(Config, SecretsAreNotTold) {
  for (const std::string_view text :
       {"[database]\nconnection = postgresql://glance:abc$hidden@controller/glance",
        "[keystone_authtoken]\npassword = abc$hidden", "[keystone_authtoken]\npassword = abc${hidden}",
        "[DEFAULT]\nlog_file = $keystone_authtoken.password\n"
        "[keystone_authtoken]\npassword = abc$hidden"}) {
    const auto settings = From(text);
    ASSERT_FALSE(settings.ok()) << text;
    const std::string says = settings.error().Describe();
    EXPECT_THAT(says, HasSubstr("a dollar sign is written $$"));
    EXPECT_THAT(says, Not(HasSubstr("hidden"))) << text;
    EXPECT_THAT(says, Not(HasSubstr("abc"))) << text;
  }
}

TEST(Config, WrongValuesAreShownAsWritten) {
  constexpr std::string_view kPassword = "[keystone_authtoken]\npassword = hidden";
  for (const std::string_view option :
       {"[DEFAULT]\nbind_port", "[DEFAULT]\ndebug", "[paste_deploy]\nflavor", "[DEFAULT]\nnode_staging_uri"}) {
    const auto settings = From(fmt::format("{} = $keystone_authtoken.password\n{}", option, kPassword));
    ASSERT_FALSE(settings.ok()) << option;
    const std::string says = settings.error().Describe();
    EXPECT_THAT(says, HasSubstr("$keystone_authtoken.password"));
    EXPECT_THAT(says, Not(HasSubstr("hidden"))) << option;
  }
}

TEST(Config, DownloadsHaveAPace) {
  auto settings = From("");
  ASSERT_TRUE(settings.ok());
  EXPECT_EQ(settings.value().download_pace.least_rate, 65536U);
  EXPECT_EQ(settings.value().download_pace.longest, std::chrono::hours(24));
  settings = From("[platter]\ndownload_rate = 0\ndownload_time = 600");
  ASSERT_TRUE(settings.ok());
  EXPECT_EQ(settings.value().download_pace.least_rate, 0U);
  EXPECT_EQ(settings.value().download_pace.longest, std::chrono::minutes(10));
}

TEST(Config, NoLimitOfConnections) {
  const auto settings = From("[database]\nmax_pool_size = 0");
  ASSERT_TRUE(settings.ok()) << settings.error().Describe();
  EXPECT_EQ(settings.value().catalog.connections, std::numeric_limits<unsigned>::max());
}

TEST(Config, AnInstalledCloudsFileIsRead) {
  const auto settings = From(R"([DEFAULT]
bind_host = 10.0.0.1
image_size_cap = 5
show_multiple_locations = True
user_storage_quota = 2GB
transport_url = rabbit://openstack:RABBIT_PASS@controller
nonsense = 1
[database]
connection = mysql+pymysql://glance:GLANCE_DBPASS@controller/glance
[keystone_authtoken]
www_authenticate_uri  = http://controller:5000
auth_url = $www_authenticate_uri/
memcached_servers = controller:11211
auth_type = password
username = glance
password = pa$$word
[paste_deploy]
flavor = keystone
[glance_store]
stores = file,http
default_store = file
filesystem_store_datadir = /var/lib/glance/images/
[oslo_policy]
enforce_new_defaults = true
)");
  ASSERT_TRUE(settings.ok()) << settings.error().Describe();
  const Settings& out = settings.value();
  EXPECT_EQ(out.server.address, "10.0.0.1");
  EXPECT_EQ(out.server.port, 9292);
  EXPECT_EQ(out.ingest.max_image_bytes, 5);
  EXPECT_EQ(out.ingest.quota_bytes, std::uint64_t{2} << 30);
  EXPECT_TRUE(out.api.show_multiple_locations);
  EXPECT_TRUE(out.api.access.new_defaults);
  EXPECT_EQ(out.database, "mysql+pymysql://glance:GLANCE_DBPASS@controller/glance");
  ASSERT_TRUE(out.keystone);
  EXPECT_EQ(out.keystone->auth_url, "http://controller:5000/v3");
  EXPECT_EQ(out.keystone->shown_url, "http://controller:5000");
  EXPECT_EQ(out.keystone->password, "pa$word");
  ASSERT_EQ(out.stores.size(), 2);
  EXPECT_EQ(out.stores[0].folders[0].first, "/var/lib/glance/images/");
  EXPECT_EQ(out.default_store, "file");
  std::string remarks;
  for (const std::string& remark : out.remarks) remarks += remark + "\n";
  EXPECT_THAT(remarks, HasSubstr("f:7: [DEFAULT] nonsense is unknown\n"));
  EXPECT_THAT(remarks, HasSubstr("f:6: [DEFAULT] transport_url has no effect: "));
  EXPECT_THAT(remarks, HasSubstr("[keystone_authtoken] memcached_servers has no effect: "));
  EXPECT_THAT(remarks, Not(HasSubstr("PASS")));
  EXPECT_EQ(out.remarks.size(), 4);  // and auth_type
}

// As Glance's and keystonemiddleware's own documentation has them.
TEST(Config, LimitsMayBeNone) {
  const Settings out = From(R"([DEFAULT]
image_property_quota = -1
image_tag_quota = -1
image_member_quota = -1
image_location_quota = -10
image_size_cap = 9223372036854775808
[paste_deploy]
flavor = keystone
[keystone_authtoken]
auth_url = http://controller:5000
token_cache_time = -1
)")
                           .value();
  EXPECT_EQ(out.api.property_quota, UINT32_MAX);
  EXPECT_EQ(out.api.tag_quota, UINT32_MAX);
  EXPECT_EQ(out.api.member_quota, UINT32_MAX);
  EXPECT_EQ(out.api.location_quota, UINT32_MAX);
  EXPECT_EQ(out.keystone->cache_time, std::chrono::seconds(0));
  EXPECT_EQ(out.ingest.max_image_bytes, std::uint64_t{1} << 62);
  ASSERT_EQ(out.remarks.size(), 1U);
  EXPECT_THAT(out.remarks[0], HasSubstr("image_size_cap: platterd takes images of 4611686018427387904 bytes at most"));
  const Settings longer = From(
                              "[paste_deploy]\nflavor = keystone\n[keystone_authtoken]\nauth_url = http://c\n"
                              "token_cache_time = 7200")
                              .value();
  EXPECT_EQ(longer.keystone->cache_time, std::chrono::hours(2));
}

TEST(Config, RolesHaveNoCase) {
  const Settings out = From(
                           "[paste_deploy]\nflavor = keystone\n[keystone_authtoken]\nauth_url = http://c\n"
                           "service_token_roles = Service, NOVA")
                           .value();
  EXPECT_EQ(out.keystone->service_roles, (std::vector<std::string>{"service", "nova"}));
}

TEST(Config, ImportsAtOnce) {
  EXPECT_EQ(From("").value().imports_at_once, 4U);
  EXPECT_EQ(From("[platter]\nimports_at_once = 9").value().imports_at_once, 9U);
}

TEST(Config, WhatMayBeFetched) {
  const registry::WebRules standard = From("").value().download;
  EXPECT_EQ(standard.allowed_schemes, registry::WebRules().allowed_schemes);
  EXPECT_EQ(standard.allowed_ports, registry::WebRules().allowed_ports);
  EXPECT_TRUE(standard.allowed_hosts.empty() && standard.disallowed_hosts.empty());
  const registry::WebRules rules = From(R"([import_filtering_opts]
allowed_schemes = [https]
allowed_hosts = mirror.example, 10.0.0.1
allowed_ports =
disallowed_ports = 22, 8080
)")
                                       .value()
                                       .download;
  EXPECT_EQ(rules.allowed_schemes, std::vector<std::string>{"https"});
  EXPECT_EQ(rules.allowed_hosts, (std::vector<std::string>{"mirror.example", "10.0.0.1"}));
  EXPECT_TRUE(rules.allowed_ports.empty());
  EXPECT_EQ(rules.disallowed_ports, (std::vector<std::uint16_t>{22, 8080}));
}

TEST(Config, StoresMayBeNamedByReference) {
  const auto settings = From(R"([DEFAULT]
log_file = fast
enabled_backends = $log_file:file, a$$b:http
[glance_store]
default_backend = fast
[fast]
filesystem_store_datadir = /a
store_description = Quick
)");
  ASSERT_TRUE(settings.ok()) << settings.error().Describe();
  ASSERT_EQ(settings.value().stores.size(), 2);
  EXPECT_EQ(settings.value().stores[0].name, "fast");
  EXPECT_EQ(settings.value().stores[0].description, "Quick");
  EXPECT_EQ(settings.value().stores[1].name, "a$b");
}

TEST(Config, SeveralStoresHaveTheirSections) {
  const auto settings = From(R"([DEFAULT]
enabled_backends = fast:file, web:http
[glance_store]
default_backend = fast
[fast]
filesystem_store_datadirs = /a:200
filesystem_store_datadirs = /b
filesystem_store_file_perm = 640
store_description = Quick
)");
  ASSERT_TRUE(settings.ok()) << settings.error().Describe();
  const Settings& out = settings.value();
  ASSERT_EQ(out.stores.size(), 2);
  EXPECT_EQ(out.stores[0].description, "Quick");
  EXPECT_EQ(out.stores[0].file_mode, 0640);
  using Folders = std::vector<std::pair<std::string, std::int32_t>>;
  EXPECT_EQ(out.stores[0].folders, (Folders{{"/a", 200}, {"/b", 0}}));
  EXPECT_EQ(out.stores[1].type, "http");
  EXPECT_TRUE(out.api.many_stores);
  EXPECT_TRUE(out.remarks.empty());
}

struct StagingRow {
  std::string_view text;  // beside a store
  std::string_view folder;
  std::string_view remark;
};

// As Glance, which has the folder of staged images in two places.
TEST(Config, StagedImagesHaveTheirFolder) {
  constexpr std::string_view kMany = "enabled_backends = a:file\n[glance_store]\ndefault_backend = a\n";
  const StagingRow rows[] = {
      {"[DEFAULT]\n{}", "/state/staging", ""},
      {"[DEFAULT]\nnode_staging_uri = file:///mnt/one\n{}", "/mnt/one", ""},
      {"[DEFAULT]\n{}[os_glance_staging_store]\nfilesystem_store_datadir = /mnt/two", "/mnt/two", ""},
      {"[DEFAULT]\nnode_staging_uri = file:///mnt/one\n{}[os_glance_staging_store]\nfilesystem_store_datadir = "
       "/mnt/two",
       "/mnt/two", "node_staging_uri has no effect"},
      {"[os_glance_staging_store]\nfilesystem_store_datadir = /mnt/two", "/state/staging", "without enabled_backends"},
      {"[DEFAULT]\n{}[os_glance_tasks_store]\nfilesystem_store_datadir = /mnt/three", "/state/staging",
       "[os_glance_tasks_store] filesystem_store_datadir has no effect"},
  };
  for (const StagingRow& row : rows) {
    const auto settings = From(fmt::format(fmt::runtime(row.text), kMany));
    ASSERT_TRUE(settings.ok()) << row.text << settings.error().Describe();
    EXPECT_EQ(settings.value().staging, row.folder) << row.text;
    EXPECT_THAT(fmt::format("{}", fmt::join(settings.value().remarks, "\n")), HasSubstr(std::string(row.remark)));
    EXPECT_EQ(settings.value().remarks.size(), row.remark.empty() ? 0U : 1U) << row.text;
  }
}

struct FoldersRow {
  std::string_view backends;
  std::string_view sections;
  std::string_view folders;  // of all stores, in their order
};

TEST(Config, StoresWithoutAFolderGetOne) {
  const FoldersRow rows[] = {
      {"a:file", "", "/state/images"},
      {"a:file, web:http", "", "/state/images"},
      {"a:file, b:file", "[b]\nfilesystem_store_datadir = /b", "/state/images /b"},
      {"a:file, b:file", "", "/state/images/a /state/images/b"},
      {"a:file, b:file, c:file", "[b]\nfilesystem_store_datadir = /b", "/state/images/a /b /state/images/c"},
  };
  for (const FoldersRow& row : rows) {
    const auto settings = From(fmt::format("[DEFAULT]\nenabled_backends = {}\n[glance_store]\ndefault_backend = a\n{}",
                                           row.backends, row.sections));
    ASSERT_TRUE(settings.ok()) << settings.error().Describe();
    std::vector<std::string> folders;
    for (const StoreSettings& store : settings.value().stores) {
      for (const auto& [folder, priority] : store.folders) folders.push_back(folder);
    }
    EXPECT_EQ(fmt::format("{}", fmt::join(folders, " ")), row.folders) << row.backends;
  }
}

TEST(Config, WithoutAFileEverythingIsAtHand) {
  const auto settings = LoadSettings({}, NoEnvironment);
  ASSERT_TRUE(settings.ok());
  const Settings& out = settings.value();
  EXPECT_EQ(out.server.address, "127.0.0.1");
  EXPECT_EQ(out.server.port, 9292);
  EXPECT_EQ(out.database, "sqlite:////state/registry.sqlite");
  EXPECT_EQ(out.stores[0].folders[0].first, "/state/images");
  EXPECT_EQ(out.staging, "/state/staging");
  EXPECT_FALSE(out.keystone);
}

TEST(Config, TheRegistrysAddressIsNotOurs) {
  const test::TempDir folder;
  const std::string file = folder.File("glance-registry.conf");
  std::ofstream(file) << "[DEFAULT]\nbind_port = 9191\n[paste_deploy]\nflavor =\n";
  const auto settings = LoadSettings({file}, NoEnvironment);
  ASSERT_TRUE(settings.ok()) << settings.error().Describe();
  EXPECT_EQ(settings.value().server.port, 9292);
  ASSERT_EQ(settings.value().remarks.size(), 1);
  EXPECT_THAT(settings.value().remarks[0], HasSubstr("the registry is built in"));
}

// Glance's own file, with every option in it as a comment, names no option that is unknown here.
TEST(Config, EveryOptionOfGlancesFileIsKnown) {
  std::ifstream stream("/usr/share/glance-common/glance-api.conf");
  ASSERT_TRUE(stream);
  std::string section;
  std::set<std::string> unknown;
  std::size_t count = 0;
  for (std::string line; std::getline(stream, line);) {
    if (line.starts_with('[')) section = line.substr(1, line.find(']') - 1);
    const std::size_t first = line.starts_with('#') ? 1 : 0;
    const std::size_t end = line.find(" =", first);
    if (end == std::string::npos || line.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789_", first) != end)
      continue;
    const std::string name = line.substr(first, end - first);
    ++count;
    const bool store = section == "glance_store" && (FindOption("store", name) || FindIdleOption("store", name));
    if (!store && !FindOption(section, name) && !FindIdleOption(section, name)) unknown.insert(section + "." + name);
  }
  EXPECT_GT(count, 300);
  EXPECT_THAT(unknown, testing::IsEmpty());
}

TEST(Config, TheReferenceNamesEveryOption) {
  const std::string reference = ConfigReference();
  for (const OptionRow& row : Options()) EXPECT_THAT(reference, HasSubstr(fmt::format("| `{}` |", row.name)));
}

TEST(Config, DocsHaveTheReference) {
  const std::filesystem::path root = PLATTER_SOURCE;
  std::ifstream stream(root / "docs/registry.md");
  const std::string text((std::istreambuf_iterator<char>(stream)), {});
  EXPECT_NE(text.find(ConfigReference()), std::string::npos)
      << "docs/registry.md is old: put in what `platterd config-reference` prints";
}

TEST(Log, LinesAreTextOrJson) {
  const test::TempDir folder;
  LogSettings settings{.debug = false, .json = false, .file = folder.File("log")};
  const auto log = Log::Open(settings);
  ASSERT_TRUE(log.ok());
  log.value()->Write(Log::Level::kInfo, "request", {{"id", "req-1"}, {"target", "/a b\n\"c\""}});
  log.value()->Write(Log::Level::kDebug, "not seen");
  settings.json = settings.debug = true;
  ASSERT_TRUE(log.value()->Reopen(settings).ok());
  log.value()->Write(Log::Level::kDebug, "seen", {{"id", "req-2"}});
  log.value()->Write(Log::Level::kInfo, "odd", {{"name", "\xFF\xC3\xA9|\xC2\x9B|\x7F"}});
  std::ifstream stream(settings.file);
  const std::string text((std::istreambuf_iterator<char>(stream)), {});
  EXPECT_THAT(text, HasSubstr("info request id=req-1 target=\"/a b\\u000a\\\"c\\\"\"\n"));
  EXPECT_THAT(text, HasSubstr(R"(Z","level":"debug","message":"seen","id":"req-2"})"));
  EXPECT_THAT(text, HasSubstr("\"name\":\"\xEF\xBF\xBD\xC3\xA9|\\u009b|\\u007f\"}"));
  EXPECT_THAT(text, Not(HasSubstr("not seen")));
  settings.file = folder.File("no/such/folder");
  std::ofstream(folder.File("no")) << "";
  EXPECT_FALSE(log.value()->Reopen(settings).ok());
}

}  // namespace
}  // namespace platter::platterd
