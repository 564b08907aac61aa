#include "formats/core/libcrypto.h"

#include <dlfcn.h>
#include <fmt/format.h>
#include <openssl/opensslv.h>

namespace platter {
namespace {

std::string LibraryName() { return fmt::format("libcrypto.so.{}", OPENSSL_SHLIB_VERSION); }

}  // namespace

Result<void*> LoadLibcrypto() {
  // It stays loaded: its own clean-up runs at the process's end.
  static void* const library = dlopen(LibraryName().c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library != nullptr) return library;
  return Error(ErrorKind::kUnsupported,
               fmt::format("{} cannot be loaded: digests and signatures need it", LibraryName()))
      .Try("install the package libssl3");
}

void* FindSymbol(void* library, const char* name) noexcept { return dlsym(library, name); }

}  // namespace platter
