#include "convert/hash/evp.h"

#include <optional>

#include "formats/core/libcrypto.h"

namespace platter::hash {
namespace {

std::optional<Evp> Load() {
  const auto found = LoadLibcrypto();
  if (!found.ok()) return std::nullopt;
  void* const library = found.value();
  Evp evp;
  const bool complete =
      FindFunction(library, "EVP_MD_fetch", evp.md_fetch) && FindFunction(library, "EVP_MD_free", evp.md_free) &&
      FindFunction(library, "EVP_MD_CTX_new", evp.context_new) &&
      FindFunction(library, "EVP_MD_CTX_free", evp.context_free) &&
      FindFunction(library, "EVP_DigestInit_ex2", evp.init) && FindFunction(library, "EVP_DigestUpdate", evp.update) &&
      FindFunction(library, "EVP_DigestFinal_ex", evp.final);
  if (!complete) return std::nullopt;
  return evp;
}

}  // namespace

Result<const Evp*> LoadEvp() {
  static const std::optional<Evp> loaded = Load();
  if (loaded) return &*loaded;
  PLATTER_CHECK(LoadLibcrypto());
  return Error(ErrorKind::kUnsupported, "libcrypto lacks a function that digests need");
}

}  // namespace platter::hash
