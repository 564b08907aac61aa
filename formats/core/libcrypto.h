// OpenSSL's libcrypto, loaded when it is asked for the first time: linked into a program, its tables would make the
// start of every process a quarter longer, and most processes neither hash nor verify anything. The few plain digests
// that parsers need are linked all the same.
#pragma once

#include "formats/core/result.h"

namespace platter {

// The library, for dlsym: the version of the headers that this was compiled with. The same one every time, never
// unloaded; thread-safe. kUnsupported when it is not there.
Result<void*> LoadLibcrypto();

// Null where the library has no such thing.
void* FindSymbol(void* library, const char* name) noexcept;

// Fills in the address of `name`; false where there is none.
template <class Function>
bool FindFunction(void* library, const char* name, Function& function) {
  function = reinterpret_cast<Function>(FindSymbol(library, name));
  return function != nullptr;
}

}  // namespace platter
