#include "formats/containers/tar/names.h"

#include <algorithm>

#include "formats/containers/tar/index.h"
#include "formats/containers/tar/layout.h"

namespace platter::tar {
namespace {

void Take(const std::optional<std::string>& gnu, const std::optional<std::string>& pax, std::string& name,
          std::vector<std::string>& others) {
  if (gnu) name = *gnu;
  if (pax) name = *pax;
  if (gnu && pax && *gnu != *pax) others.push_back(*gnu);
}

// Tools announce a name because the header cannot hold it. Where it could, and has another one, whoever passes over
// pax headers, as Perl's Archive::Tar does, is meant to take the member for another file.
bool IsAnotherThanAnnounced(const Header& header, const std::string& path) {
  const auto ascii = [](unsigned char letter) { return letter < 0x80; };
  if (path.size() > kName.length || !std::ranges::all_of(path, ascii)) return false;
  return PlainName(path) != PlainName(header.name);
}

}  // namespace

Names NamesOf(const Header& header, const Announced& announced) {
  static const PaxRecords kNone;
  const PaxRecords& pax = announced.pax ? *announced.pax : kNone;
  Names names{header.name, header.link};
  if (header.other_name && !announced.name && !pax.path) names.other_names.push_back(*header.other_name);
  Take(announced.name, pax.path, names.name, names.other_names);
  Take(announced.link, pax.link_path, names.link, names.other_links);
  if (pax.path && IsAnotherThanAnnounced(header, *pax.path)) names.other_names.push_back(header.name);
  if (pax.sparse_name) names.name = *pax.sparse_name;
  // As V7 had it; Python goes by the short name.
  const bool folder_to_some = header.type == kTypeOldFile && header.name.ends_with('/');
  if (folder_to_some && !names.name.ends_with('/')) names.other_names.push_back(names.name + '/');
  return names;
}

}  // namespace platter::tar
