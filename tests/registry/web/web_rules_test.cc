#include "registry-core/web/web_rules.h"

#include <curl/curl.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

namespace platter::registry {
namespace {

struct UseRow {
  const char* address;
  const char* use;  // "" for a public address
};

constexpr UseRow kUses[] = {
    {"8.8.8.8", ""},
    {"93.184.216.34", ""},
    {"1.0.0.0", ""},
    {"0.0.0.0", "unspecified"},
    {"0.255.255.255", "unspecified"},
    {"9.255.255.255", ""},
    {"10.0.0.0", "private"},
    {"10.255.255.255", "private"},
    {"11.0.0.0", ""},
    {"100.63.255.255", ""},
    {"100.64.0.0", "shared by a carrier"},
    {"100.100.100.200", "shared by a carrier"},
    {"100.127.255.255", "shared by a carrier"},
    {"100.128.0.0", ""},
    {"126.255.255.255", ""},
    {"127.0.0.1", "loopback"},
    {"127.255.255.255", "loopback"},
    {"128.0.0.0", ""},
    {"168.63.129.15", ""},
    {"168.63.129.16", "a cloud's own service"},
    {"169.253.255.255", ""},
    {"169.254.169.254", "link-local"},
    {"169.255.0.0", ""},
    {"172.15.255.255", ""},
    {"172.16.0.0", "private"},
    {"172.31.255.255", "private"},
    {"172.32.0.0", ""},
    {"192.0.0.192", "reserved"},
    {"192.0.2.1", "for documentation"},
    {"192.88.99.1", "6to4"},
    {"192.167.255.255", ""},
    {"192.168.0.1", "private"},
    {"192.169.0.0", ""},
    {"198.18.0.0", "for benchmarks"},
    {"198.19.255.255", "for benchmarks"},
    {"198.20.0.0", ""},
    {"198.51.100.7", "for documentation"},
    {"203.0.113.7", "for documentation"},
    {"223.255.255.255", ""},
    {"224.0.0.1", "multicast"},
    {"239.255.255.255", "multicast"},
    {"240.0.0.0", "reserved"},
    {"255.255.255.255", "reserved"},
    {"2606:2800:220:1::1", ""},
    {"2a00::1", ""},
    {"3ffe::1", ""},
    {"::", "unspecified"},
    {"::1", "loopback"},
    {"::2", "reserved"},
    {"::127.0.0.1", "reserved"},
    {"::ffff:127.0.0.1", "an IPv4 address in disguise"},
    {"::ffff:8.8.8.8", "an IPv4 address in disguise"},
    {"::ffff:0:8.8.8.8", "reserved"},
    {"64:ff9b::8.8.8.8", ""},
    {"64:ff9b::10.0.0.1", "private"},
    {"64:ff9b::169.254.169.254", "link-local"},
    {"64:ff9b:1::8.8.8.8", "reserved"},
    {"100::1", "reserved"},
    {"2001::1", "reserved"},
    {"2001:1ff:ffff::1", "reserved"},
    {"2001:200::1", ""},
    {"2001:db8::1", "for documentation"},
    {"2001:db9::1", ""},
    {"2002:7f00:1::1", "6to4"},
    {"2002:808:808::1", "6to4"},
    {"3fff:fff::1", "for documentation"},
    {"3fff:1000::1", ""},
    {"4000::1", "reserved"},
    {"5f00::1", "reserved"},
    {"fc00::1", "private"},
    {"fd00:ec2::254", "private"},
    {"fe80::1", "link-local"},
    {"febf::1", "link-local"},
    {"fec0::1", "private"},
    {"ff02::1", "multicast"},
};

TEST(IpAddress, WhatIsPublicAndWhatIsNot) {
  for (const UseRow& row : kUses) {
    const auto address = IpAddress::Parse(row.address);
    ASSERT_TRUE(address) << row.address;
    EXPECT_EQ(address->SpecialUse(), row.use) << row.address;
    EXPECT_EQ(IpAddress::Parse(address->Text()), address) << row.address;
  }
}

TEST(IpAddress, OtherSpellingsAreNone) {
  for (const char* text :
       {"",           "1",          "127.1",      "127.0.1",   "0127.0.0.1", "127.0.0.01", "0x7f.0.0.1",
        "127.0.0.1.", " 127.0.0.1", "127.0.0.1 ", "256.0.0.1", "2130706433", "1.2.3.4.5",  "[::1]",
        "::1%lo",     "fe80::1%1",  ":::",        "1::2::3",   "12345::",    "::1/128"}) {
    EXPECT_FALSE(IpAddress::Parse(text)) << text;
  }
}

struct UrlRow {
  const char* url;
  const char* fetched;  // "" where it is refused
  const char* why = "";
};

constexpr UrlRow kUrls[] = {
    {"http://example.org/disk.img", "http://example.org:80/disk.img"},
    {"https://example.org/disk.img", "https://example.org:443/disk.img"},
    {"HTTPS://EXAMPLE.org/Disk.IMG", "https://example.org:443/Disk.IMG"},
    {"http://example.org", "http://example.org:80/"},
    {"http://example.org?a=b", "http://example.org:80/?a=b"},
    {"http://example.org/a?b#c", "http://example.org:80/a?b"},
    {"http://example.org#c", "http://example.org:80/"},
    {"http://example.org/a@b:c//d", "http://example.org:80/a@b:c//d"},
    {"http://example.org?a@127.0.0.1/", "http://example.org:80/?a@127.0.0.1/"},
    {"http://example.org:443/", "http://example.org:443/"},
    {"http://example.org./", "http://example.org.:80/"},
    {"http://xn--bcher-kva.example/", "http://xn--bcher-kva.example:80/"},
    {"http://my_host-1.example/", "http://my_host-1.example:80/"},
    {"http://1password.example/", "http://1password.example:80/"},
    {"http://127.0.0.1.example.org/", "http://127.0.0.1.example.org:80/"},
    {"http://8.8.8.8/", "http://8.8.8.8:80/"},
    {"http://[2606:2800:220:1::1]/", "http://[2606:2800:220:1::1]:80/"},
    {"http://[2606:2800:0220:0001:0:0:0:0001]:443/", "http://[2606:2800:220:1::1]:443/"},
    {"http://[64:ff9b::808:808]/", "http://[64:ff9b::808:808]:80/"},

    {"", "", "begin with"},
    {"example.org/disk.img", "", "begin with"},
    {"//example.org/", "", "begin with"},
    {"http:example.org", "", "begin with"},
    {"http:/example.org/", "", "begin with"},
    {"http:///example.org/", "", "no host"},
    {"http://", "", "no host"},
    {"http://?", "", "no host"},
    {"http://:80/", "", "no host"},
    {"ftp://example.org/", "", "begin with"},
    {"file:///etc/passwd", "", "begin with"},
    {"gopher://example.org/", "", "begin with"},
    {"dict://example.org:11211/", "", "begin with"},
    {"filesystem+http://example.org/", "", "begin with"},
    {"javascript:http://example.org/", "", "begin with"},
    {" http://example.org/", "", "character"},
    {"http://example.org/ a", "", "character"},
    {"http://example.org/\ta", "", "character"},
    {"http://exam\r\nple.org/", "", "character"},
    {"http://example.org/\r\nHost: x", "", "character"},
    {"http://example.org/\x7f", "", "character"},
    {"http://b\xc3\xbc"
     "cher.example/",
     "", "character"},
    {"http://example.org/b\xc3\xbc"
     "cher",
     "", "character"},
    {"http://\xe2\x91\xa0\xe2\x91\xa1\xe2\x91\xa6.0.0.1/", "", "character"},
    {"http://example\xe3\x80\x82org/", "", "character"},
    {"http://example.org\\@127.0.0.1/", "", "character"},
    {"http:\\\\example.org/", "", "character"},
    {"http://user@example.org/", "", "user"},
    {"http://user:password@example.org/", "", "user"},
    {"http://@example.org/", "", "user"},
    {"http://example.org:80@127.0.0.1/", "", "user"},
    {"http://127.0.0.1:80@example.org/", "", "user"},
    {"http://example.org@", "", "user"},
    {"http://a@b@example.org/", "", "user"},
    {"http://example.org:/", "", "port"},
    {"http://example.org:0/", "", "port"},
    {"http://example.org:080/", "", "port"},
    {"http://example.org:+80/", "", "port"},
    {"http://example.org:-80/", "", "port"},
    {"http://example.org:0x50/", "", "port"},
    {"http://example.org:65616/", "", "port"},
    {"http://example.org:80:80/", "", "port"},
    {"http://example.org:80a/", "", "port"},
    {"http://example.org:8080/", "", "port is not allowed"},
    {"http://example.org:22/", "", "port is not allowed"},
    {"http://example..org/", "", "no name"},
    {"http://.example.org/", "", "no name"},
    {"http://./", "", "no name"},
    {"http://example.org../", "", "no name"},
    {"http://exa%6dple.org/", "", "no name"},
    {"http://127.0.0.1%2f.example.org/", "", "no name"},
    {"http://*.example.org/", "", "no name"},
    {"http://exam,ple.org/", "", "no name"},
    {"http://[example.org]/", "", "no IPv6"},
    {"http://[8.8.8.8]/", "", "no IPv6"},
    {"http://[2606::1%25eth0]/", "", "no IPv6"},
    {"http://[fe80::1%eth0]/", "", "no IPv6"},
    {"http://[v1.a]/", "", "no IPv6"},
    {"http://[]/", "", "no IPv6"},
    {"http://[2606::1/", "", "bracket"},
    {"http://2606::1/", "", "number"},
    {"http://[2606::1]80/", "", "between"},
    {"http://[2606::1].example.org/", "", "between"},
    {"http://a[2606::1]/", "", "no name"},
    {"http://2130706433/", "", "number"},
    {"http://017700000001/", "", "number"},
    {"http://0x7f000001/", "", "number"},
    {"http://0X7F.1/", "", "number"},
    {"http://0x/", "", "number"},
    {"http://127.1/", "", "number"},
    {"http://127.0.1/", "", "number"},
    {"http://0177.0.0.1/", "", "number"},
    {"http://127.0.0.0x1/", "", "number"},
    {"http://127.0.0.01/", "", "number"},
    {"http://8.8.8.8./", "", "number"},
    {"http://1.2.3.4.5/", "", "number"},
    {"http://999.1.1.1/", "", "number"},
    {"http://example.1/", "", "number"},
    {"http://0/", "", "number"},
    {"http://localhost/", "", "this machine"},
    {"http://LOCALHOST./", "", "this machine"},
    {"http://a.localhost/", "", "this machine"},
    {"http://127.0.0.1/", "", "loopback"},
    {"http://10.1.2.3/", "", "private"},
    {"http://169.254.169.254/latest/meta-data/", "", "link-local"},
    {"http://0.0.0.0/", "", "unspecified"},
    {"http://[::1]/", "", "loopback"},
    {"http://[::]/", "", "unspecified"},
    {"http://[0:0:0:0:0:ffff:7f00:1]/", "", "in disguise"},
    {"http://[64:ff9b::7f00:1]/", "", "loopback"},
    {"http://[2002:7f00:1::]/", "", "6to4"},
    {"http://[fd00:ec2::254]/", "", "private"},
};

// What libcurl takes for scheme, host and port of a URL.
std::string AsCurlReads(const std::string& url) {
  const std::unique_ptr<CURLU, decltype(&curl_url_cleanup)> parsed(curl_url(), &curl_url_cleanup);
  if (curl_url_set(parsed.get(), CURLUPART_URL, url.c_str(), 0) != CURLUE_OK) return "";
  std::string all;
  for (const CURLUPart part : {CURLUPART_SCHEME, CURLUPART_HOST, CURLUPART_PORT, CURLUPART_USER, CURLUPART_ZONEID}) {
    char* text = nullptr;
    if (curl_url_get(parsed.get(), part, &text, CURLU_DEFAULT_PORT) == CURLUE_OK) all += text;
    all += ' ';
    curl_free(text);
  }
  return all;
}

TEST(CheckUrl, OneTable) {
  const WebRules rules;
  for (const UrlRow& row : kUrls) {
    const auto checked = CheckUrl(rules, row.url);
    ASSERT_EQ(checked.ok(), *row.fetched != '\0') << row.url << (checked.ok() ? "" : ": " + checked.error().Describe());
    if (!checked.ok()) {
      EXPECT_EQ(checked.error().kind(), ErrorKind::kDenied) << row.url;
      EXPECT_NE(checked.error().Describe().find(row.why), std::string::npos)
          << row.url << ": " << checked.error().Describe();
      continue;
    }
    EXPECT_EQ(checked.value().Text(), row.fetched) << row.url;
    const WebUrl& url = checked.value();
    const bool brackets = url.address && !url.address->is_v4();
    const std::string host = brackets ? "[" + url.host + "]" : url.host;
    EXPECT_EQ(AsCurlReads(url.Text()), url.scheme + " " + host + " " + std::to_string(url.port) + "   ") << row.url;
    EXPECT_EQ(CheckUrl(rules, url.Text()).value().Text(), url.Text()) << "what is fetched passes, too";
  }
}

TEST(CheckUrl, LengthsHaveLimits) {
  const WebRules rules;
  EXPECT_TRUE(CheckUrl(rules, "http://example.org/" + std::string(8192 - 19, 'a')).ok());
  EXPECT_FALSE(CheckUrl(rules, "http://example.org/" + std::string(8192 - 18, 'a')).ok());
  EXPECT_TRUE(CheckUrl(rules, "http://" + std::string(63, 'a') + ".org/").ok());
  EXPECT_FALSE(CheckUrl(rules, "http://" + std::string(64, 'a') + ".org/").ok());
  std::string labels;
  for (int label = 0; label < 200; ++label) labels += "a.";
  EXPECT_FALSE(CheckUrl(rules, "http://" + labels + "org/").ok());
  EXPECT_FALSE(CheckUrl(rules, std::string("http://example.org/\0", 20)).ok());
}

// Glance's meaning: of each pair, only what is allowed counts where anything is.
struct ListRow {
  const char* what;
  WebRules rules;
  const char* url;
  bool passes;
};

std::vector<ListRow> ListRows() {
  const WebRules standard;
  const auto with = [&standard](auto change) {
    WebRules rules = standard;
    change(rules);
    return rules;
  };
  const WebRules https = with([](WebRules& rules) { rules.allowed_schemes = {"https"}; });
  const WebRules no_https = with([](WebRules& rules) {
    rules.allowed_schemes.clear();
    rules.disallowed_schemes = {"HTTPS"};
  });
  const WebRules both_schemes = with([](WebRules& rules) { rules.disallowed_schemes = {"http"}; });
  const WebRules ftp = with([](WebRules& rules) { rules.allowed_schemes = {"ftp"}; });
  const WebRules one_host = with([](WebRules& rules) { rules.allowed_hosts = {"Mirror.example"}; });
  const WebRules no_host = with([](WebRules& rules) {
    rules.disallowed_hosts = {"mirror.example", "8.8.8.8", "[2606::1]"};
  });
  const WebRules both_hosts = with([](WebRules& rules) {
    rules.allowed_hosts = {"mirror.example"};
    rules.disallowed_hosts = {"mirror.example"};
  });
  const WebRules inside = with([](WebRules& rules) {
    rules.allowed_hosts = {"10.1.2.3", "localhost", "::1", "[fd00::1]"};
  });
  const WebRules one_port = with([](WebRules& rules) { rules.allowed_ports = {8443}; });
  const WebRules no_port = with([](WebRules& rules) {
    rules.allowed_ports.clear();
    rules.disallowed_ports = {22, 80};
  });
  const WebRules both_ports = with([](WebRules& rules) { rules.disallowed_ports = {80}; });
  const WebRules nothing = with([](WebRules& rules) {
    rules.allowed_schemes.clear();
    rules.allowed_ports.clear();
  });
  return {
      {"allowed scheme", https, "https://a.example/", true},
      {"other scheme", https, "http://a.example/", false},
      {"disallowed scheme", no_https, "https://a.example/", false},
      {"scheme beside a disallowed one", no_https, "http://a.example/", true},
      {"allowed wins over disallowed schemes", both_schemes, "http://a.example/", true},
      {"a scheme that is allowed, and not spoken here", ftp, "ftp://a.example/", false},
      {"http where another is allowed", ftp, "http://a.example/", false},
      {"no list of schemes lets no others in", nothing, "gopher://a.example/", false},
      {"allowed host", one_host, "http://mirror.example/", true},
      {"allowed host with a dot at its end", one_host, "http://MIRROR.example./", true},
      {"other host", one_host, "http://a.example/", false},
      {"below an allowed host", one_host, "http://a.mirror.example/", false},
      {"above an allowed host", one_host, "http://example/", false},
      {"address where a host is allowed", one_host, "http://8.8.8.8/", false},
      {"disallowed host", no_host, "http://mirror.example/", false},
      {"disallowed host with a dot at its end", no_host, "http://mirror.example./", false},
      {"host beside a disallowed one", no_host, "http://a.example/", true},
      {"disallowed address", no_host, "http://8.8.8.8/", false},
      {"disallowed IPv6 address in another spelling", no_host, "http://[2606:0::1]/", false},
      {"allowed wins over disallowed hosts", both_hosts, "http://mirror.example/", true},
      {"private address by name", inside, "http://10.1.2.3/", true},
      {"another private address", inside, "http://10.1.2.4/", false},
      {"the machine itself by name", inside, "http://localhost/", true},
      {"allowed IPv6 address", inside, "http://[0::1]/", true},
      {"allowed IPv6 address in brackets", inside, "http://[fd00:0::1]/", true},
      {"allowed address in an odd spelling", inside, "http://10.1.515/", false},
      {"allowed address in disguise", inside, "http://[::ffff:10.1.2.3]/", false},
      {"allowed port", one_port, "http://a.example:8443/", true},
      {"another port, which is the scheme's own", one_port, "http://a.example/", false},
      {"disallowed port", no_port, "http://a.example:22/", false},
      {"disallowed port, which is the scheme's own", no_port, "http://a.example/", false},
      {"port beside a disallowed one", no_port, "http://a.example:8080/", true},
      {"allowed wins over disallowed ports", both_ports, "http://a.example/", true},
      {"any port without lists", nothing, "http://a.example:1/", true},
      {"no private address without lists", nothing, "http://192.168.1.1/", false},
  };
}

TEST(CheckUrl, Lists) {
  for (const ListRow& row : ListRows()) {
    const auto checked = CheckUrl(row.rules, row.url);
    EXPECT_EQ(checked.ok(), row.passes) << row.what << (checked.ok() ? "" : ": " + checked.error().Describe());
  }
}

TEST(CheckAddress, WhatANameTurnsOutToBe) {
  WebRules rules;
  rules.disallowed_hosts = {"8.8.8.8"};
  const WebUrl url = CheckUrl(rules, "http://a.example/").value();
  EXPECT_TRUE(CheckAddress(rules, url, *IpAddress::Parse("8.8.4.4")).ok());
  for (const char* text : {"8.8.8.8", "127.0.0.1", "10.0.0.1", "169.254.169.254", "::1", "::ffff:8.8.4.4", "fe80::1"}) {
    const auto checked = CheckAddress(rules, url, *IpAddress::Parse(text));
    ASSERT_FALSE(checked.ok()) << text;
    EXPECT_EQ(checked.error().kind(), ErrorKind::kDenied);
    EXPECT_EQ(checked.error().Describe().find(text), std::string::npos) << "an address inside is told to nobody";
  }
  rules.allowed_hosts = {"a.example"};
  EXPECT_TRUE(CheckAddress(rules, CheckUrl(rules, "http://a.example/").value(), *IpAddress::Parse("127.0.0.1")).ok());
}

}  // namespace
}  // namespace platter::registry
