// Container images put together by hand: docker archives and image layouts whose digests are right, unless changed.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace platter::test {

std::string Sha256Hex(std::string_view text);
std::string Gzip(std::string_view text);
std::string Zstd(std::string_view text);

struct LayerText {
  std::string tar;     // what it unpacks to
  std::string stored;  // "": the tar itself
  std::string media_type = "application/vnd.oci.image.layer.v1.tar";
  std::string urls = "";     // a JSON list, "" for none
  std::string diff_id = "";  // "" for the right one, without "sha256:"
  std::string size = "";     // in the manifest, "" for the right one

  const std::string& bytes() const { return stored.empty() ? tar : stored; }
};

// A layer of one small file.
LayerText SmallLayer(const std::string& file = "etc/motd", const std::string& content = "hello");

// The members of an archive, as TarMember makes them; the end's mark is the caller's.
struct ImageText {
  std::vector<LayerText> layers = {SmallLayer()};
  std::string config = R"({"Entrypoint":["/bin/sh","-c"],"Cmd":["id"],"Env":["A=B"],"Labels":{"k":"v"}})";
  std::string history = R"([{"created":"2026-01-01T00:00:00Z","created_by":"COPY . /","comment":"c"},)"
                        R"({"created_by":"CMD id","empty_layer":true}])";
  std::string tag = "name:tag";
  std::string architecture = "amd64";
  std::string config_type = "application/vnd.oci.image.config.v1+json";

  std::string Config() const;
  // {NAME, CONTENT} of each file.
  using Files = std::vector<std::pair<std::string, std::string>>;
  // As docker save had them before it knew layouts: HEX.json, HEX/layer.tar, manifest.json.
  Files Saved() const;
  // Of an image layout.
  Files Layout() const;
  // With both lists, as docker save makes them today.
  Files Both() const;
};

// An archive of such files.
std::string TarOf(const ImageText::Files& files);
// The same with every `from` in the file `name` as `to`, or with the file taken out (`to` empty, `from` empty).
std::string TarOfChanged(ImageText::Files files, std::string_view name, std::string_view from, std::string_view to);

}  // namespace platter::test
