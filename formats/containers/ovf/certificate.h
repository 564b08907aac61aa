// The certificate of an appliance (.cert): the manifest's signature, and the X.509 certificate of the key that made it
// (DSP0243 1.1, section 5.1).
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "formats/containers/ovf/manifest.h"
#include "formats/core/result.h"

namespace platter::ovf {

struct Certificate {
  DigestAlgorithm algorithm = DigestAlgorithm::kSha256;
  std::string manifest;  // the name of what is signed, as written: untrusted
  std::vector<std::byte> signature;
  std::vector<std::byte> x509;  // DER
};

// A line "SHA256(box.mf)= SIGNATURE" in hexadecimal digits, and a certificate in PEM behind it. Further blocks, such as
// the certificates of who vouches for the signer, are passed over. kCorrupt; kUnsupported for an unknown algorithm.
Result<Certificate> ParseCertificate(std::span<const std::byte> text);

// What the certificate says of its owner. Untrusted: anyone can make one.
struct Signer {
  std::string subject;      // "/O=Somebody/CN=box"; control characters and what is no ASCII as \xHH
  std::string issuer;       // who vouches for that; the subject himself where nobody does
  std::string fingerprint;  // SHA-256 of the certificate, lower-case hexadecimal digits
};

// Whether the signature is one of `manifest`, by the certificate's key. Nothing is said of whose key that is: no
// certificate is trusted, and no date is looked at. kCorrupt for another signature ("OVF certificate", "signature") and
// for what is no certificate; kUnsupported for a key that does not sign so, and where libcrypto is not there.
// Thread-safe. Opens no file once PrepareSignatures has run.
Result<Signer> VerifySignature(const Certificate& certificate, std::span<const std::byte> manifest);

// Loads what VerifySignature takes, for a process that can open nothing later on; libcrypto then reads no configuration
// file in it. kUnsupported.
Result<> PrepareSignatures();

}  // namespace platter::ovf
