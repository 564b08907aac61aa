#include "tools/platterd/api/identifier.h"

#include "registry-core/model/image_record.h"

namespace platter::platterd {

std::string CanonicalIdentifier(std::string_view text) {
  std::string canonical(text);
  if (!registry::IsIdentifier(text)) return canonical;
  for (char& c : canonical) {
    if (c >= 'A' && c <= 'F') c = static_cast<char>(c - 'A' + 'a');
  }
  return canonical;
}

}  // namespace platter::platterd
