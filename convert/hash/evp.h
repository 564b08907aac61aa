// OpenSSL's digests, loaded when the first one is asked for (formats/core/libcrypto.h).
#pragma once

#include <openssl/evp.h>

#include <string>

#include "formats/core/result.h"

namespace platter::hash {

// The functions of libcrypto that a digest takes, by their names there without "EVP_".
struct Evp {
  decltype(&EVP_MD_fetch) md_fetch = nullptr;
  decltype(&EVP_MD_free) md_free = nullptr;
  decltype(&EVP_MD_CTX_new) context_new = nullptr;
  decltype(&EVP_MD_CTX_free) context_free = nullptr;
  decltype(&EVP_DigestInit_ex2) init = nullptr;
  decltype(&EVP_DigestUpdate) update = nullptr;
  decltype(&EVP_DigestFinal_ex) final = nullptr;
};

// The same object every time; thread-safe. kUnsupported when the library is not there.
Result<const Evp*> LoadEvp();

}  // namespace platter::hash
