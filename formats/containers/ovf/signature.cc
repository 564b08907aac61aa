// Signatures, by OpenSSL's EVP in a library context of our own, which no configuration file changes.
#include <fmt/format.h>
#include <openssl/crypto.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include <array>
#include <memory>
#include <optional>
#include <utility>

#include "formats/containers/ovf/certificate.h"
#include "formats/core/libcrypto.h"
#include "formats/core/memory_storage.h"

namespace platter::ovf {
namespace {

// The functions of libcrypto that it takes.
struct Crypto {
  decltype(&OSSL_LIB_CTX_new) context_new = nullptr;
  decltype(&OSSL_LIB_CTX_free) context_free = nullptr;
  decltype(&X509_new_ex) x509_new = nullptr;
  decltype(&X509_free) x509_free = nullptr;
  decltype(&d2i_X509) x509_parse = nullptr;
  decltype(&X509_get0_pubkey) x509_key = nullptr;
  decltype(&X509_get_subject_name) x509_subject = nullptr;
  decltype(&X509_get_issuer_name) x509_issuer = nullptr;
  decltype(&X509_NAME_oneline) name_text = nullptr;
  decltype(&EVP_MD_CTX_new) digest_new = nullptr;
  decltype(&EVP_MD_CTX_free) digest_free = nullptr;
  decltype(&EVP_DigestVerifyInit_ex) verify_init = nullptr;
  decltype(&EVP_DigestVerify) verify = nullptr;
  decltype(&OPENSSL_init_crypto) init = nullptr;
  decltype(&ERR_set_mark) errors_mark = nullptr;
  decltype(&ERR_pop_to_mark) errors_forget = nullptr;
};

std::optional<Crypto> Load() {
  const auto found = LoadLibcrypto();
  if (!found.ok()) return std::nullopt;
  void* const library = found.value();
  Crypto crypto;
  const bool complete = FindFunction(library, "OSSL_LIB_CTX_new", crypto.context_new) &&
                        FindFunction(library, "OSSL_LIB_CTX_free", crypto.context_free) &&
                        FindFunction(library, "X509_new_ex", crypto.x509_new) &&
                        FindFunction(library, "X509_free", crypto.x509_free) &&
                        FindFunction(library, "d2i_X509", crypto.x509_parse) &&
                        FindFunction(library, "X509_get0_pubkey", crypto.x509_key) &&
                        FindFunction(library, "X509_get_subject_name", crypto.x509_subject) &&
                        FindFunction(library, "X509_get_issuer_name", crypto.x509_issuer) &&
                        FindFunction(library, "X509_NAME_oneline", crypto.name_text) &&
                        FindFunction(library, "EVP_MD_CTX_new", crypto.digest_new) &&
                        FindFunction(library, "EVP_MD_CTX_free", crypto.digest_free) &&
                        FindFunction(library, "EVP_DigestVerifyInit_ex", crypto.verify_init) &&
                        FindFunction(library, "EVP_DigestVerify", crypto.verify) &&
                        FindFunction(library, "OPENSSL_init_crypto", crypto.init) &&
                        FindFunction(library, "ERR_set_mark", crypto.errors_mark) &&
                        FindFunction(library, "ERR_pop_to_mark", crypto.errors_forget);
  if (!complete) return std::nullopt;
  return crypto;
}

Result<const Crypto*> Library() {
  static const std::optional<Crypto> loaded = Load();
  if (loaded) return &*loaded;
  PLATTER_CHECK(LoadLibcrypto());
  return Error(ErrorKind::kUnsupported, "libcrypto lacks a function that signatures need");
}

// Whoever else works with libcrypto in this thread finds its errors as they were.
class ErrorsKept {
 public:
  explicit ErrorsKept(const Crypto& crypto) : crypto_(crypto) { crypto_.errors_mark(); }
  ~ErrorsKept() { crypto_.errors_forget(); }
  ErrorsKept(const ErrorsKept&) = delete;
  ErrorsKept& operator=(const ErrorsKept&) = delete;

 private:
  const Crypto& crypto_;
};

// What libcrypto made, given back to it.
template <class T>
using Owned = std::unique_ptr<T, void (*)(T*)>;

const unsigned char* AsOctets(std::span<const std::byte> bytes) {
  return reinterpret_cast<const unsigned char*>(bytes.data());
}

Error Failed(ErrorKind kind, std::string what, std::string field) {
  return Error(kind, std::move(what)).At("OVF certificate", std::move(field));
}

std::string TextOf(const Crypto& crypto, const X509_NAME* name) {
  std::array<char, 512> text{};
  if (name == nullptr || crypto.name_text(name, text.data(), static_cast<int>(text.size())) == nullptr) return {};
  return text.data();
}

// The certificate, which must be all of the bytes.
Result<Owned<X509>> ParseX509(const Crypto& crypto, OSSL_LIB_CTX* context, std::span<const std::byte> der) {
  X509* certificate = crypto.x509_new(context, nullptr);
  const unsigned char* at = AsOctets(der);
  // It is freed where that fails.
  if (certificate == nullptr || crypto.x509_parse(&certificate, &at, static_cast<long>(der.size())) == nullptr) {
    return Failed(ErrorKind::kCorrupt, "not an X.509 certificate", "certificate");
  }
  Owned<X509> owned(certificate, crypto.x509_free);
  if (at == AsOctets(der) + der.size()) return owned;
  return Failed(ErrorKind::kCorrupt, "there is something behind the X.509 certificate", "certificate");
}

Result<> Verify(const Crypto& crypto, OSSL_LIB_CTX* context, EVP_PKEY* key, const Certificate& certificate,
                std::span<const std::byte> manifest) {
  const Owned<EVP_MD_CTX> digest(crypto.digest_new(), crypto.digest_free);
  const std::string algorithm(DigestName(certificate.algorithm));
  if (key == nullptr || digest == nullptr ||
      crypto.verify_init(digest.get(), nullptr, algorithm.c_str(), context, nullptr, key, nullptr) != 1) {
    return Failed(ErrorKind::kUnsupported, "the certificate has a key that does not sign so", "key").Found(algorithm);
  }
  const int fits = crypto.verify(digest.get(), AsOctets(certificate.signature), certificate.signature.size(),
                                 AsOctets(manifest), manifest.size());
  if (fits == 1) return Done{};
  return Failed(ErrorKind::kCorrupt, "the signature is not one of this manifest by the certificate's key", "signature");
}

}  // namespace

Result<Signer> VerifySignature(const Certificate& certificate, std::span<const std::byte> manifest) {
  const Crypto& crypto = *PLATTER_TRY(Library());
  const ErrorsKept kept(crypto);
  const Owned<OSSL_LIB_CTX> context(crypto.context_new(), crypto.context_free);
  if (context == nullptr) return Error(ErrorKind::kLimit, "no memory to verify a signature");
  const Owned<X509> x509 = PLATTER_TRY(ParseX509(crypto, context.get(), certificate.x509));
  PLATTER_CHECK(Verify(crypto, context.get(), crypto.x509_key(x509.get()), certificate, manifest));
  MemoryStorage der("certificate", certificate.x509);
  Signer signer;
  signer.fingerprint = PLATTER_TRY(DigestOf(der, DigestAlgorithm::kSha256));
  signer.subject = TextOf(crypto, crypto.x509_subject(x509.get()));
  signer.issuer = TextOf(crypto, crypto.x509_issuer(x509.get()));
  return signer;
}

Result<> PrepareSignatures() {
  const Crypto& crypto = *PLATTER_TRY(Library());
  // Whichever of its functions comes first, the library reads its configuration then, unless it has been told not to.
  if (crypto.init(OPENSSL_INIT_NO_LOAD_CONFIG, nullptr) == 1) return Done{};
  return Error(ErrorKind::kUnsupported, "libcrypto cannot be made ready");
}

}  // namespace platter::ovf
