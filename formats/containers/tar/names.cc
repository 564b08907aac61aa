#include "formats/containers/tar/names.h"

namespace platter::tar {
namespace {

void Take(const std::optional<std::string>& gnu, const std::optional<std::string>& pax, std::string& name,
          std::vector<std::string>& others) {
  if (gnu) name = *gnu;
  if (pax) name = *pax;
  if (gnu && pax && *gnu != *pax) others.push_back(*gnu);
}

}  // namespace

Names NamesOf(const Header& header, const Announced& announced) {
  static const PaxRecords kNone;
  const PaxRecords& pax = announced.pax ? *announced.pax : kNone;
  Names names{header.name, header.link};
  if (header.other_name && !announced.name && !pax.path) names.other_names.push_back(*header.other_name);
  Take(announced.name, pax.path, names.name, names.other_names);
  Take(announced.link, pax.link_path, names.link, names.other_links);
  if (pax.sparse_name) names.name = *pax.sparse_name;
  // As V7 had it; Python goes by the short name.
  const bool folder_to_some = header.type == kTypeOldFile && header.name.ends_with('/');
  if (folder_to_some && !names.name.ends_with('/')) names.other_names.push_back(names.name + '/');
  return names;
}

}  // namespace platter::tar
