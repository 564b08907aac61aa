#include "convert/hash/evp.h"

#include <dlfcn.h>
#include <fmt/format.h>
#include <openssl/opensslv.h>

#include <optional>

namespace platter::hash {
namespace {

// Of the headers that this was compiled with.
std::string LibraryName() { return fmt::format("libcrypto.so.{}", OPENSSL_SHLIB_VERSION); }

template <class Function>
bool Find(void* library, const char* name, Function& function) {
  function = reinterpret_cast<Function>(dlsym(library, name));
  return function != nullptr;
}

// The library stays loaded: its own clean-up runs at the process's end.
void* Library() {
  static void* const library = dlopen(LibraryName().c_str(), RTLD_NOW | RTLD_LOCAL);
  return library;
}

Error NotThere() {
  return Error(ErrorKind::kUnsupported, fmt::format("{} cannot be loaded: digests need it", LibraryName()))
      .Try("install the package libssl3");
}

std::optional<Evp> Load() {
  void* library = Library();
  if (library == nullptr) return std::nullopt;
  Evp evp;
  const bool complete = Find(library, "EVP_MD_fetch", evp.md_fetch) && Find(library, "EVP_MD_free", evp.md_free) &&
                        Find(library, "EVP_MD_CTX_new", evp.context_new) &&
                        Find(library, "EVP_MD_CTX_free", evp.context_free) &&
                        Find(library, "EVP_DigestInit_ex2", evp.init) &&
                        Find(library, "EVP_DigestUpdate", evp.update) && Find(library, "EVP_DigestFinal_ex", evp.final);
  if (!complete) return std::nullopt;
  return evp;
}

}  // namespace

Result<const Evp*> LoadEvp() {
  static const std::optional<Evp> loaded = Load();
  if (loaded) return &*loaded;
  return NotThere();
}

Result<void*> LoadCrypto() {
  if (void* library = Library(); library != nullptr) return library;
  return NotThere();
}

}  // namespace platter::hash
