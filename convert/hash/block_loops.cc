#include "convert/hash/block_loops.h"

// Deprecated in favour of EVP, which keeps its states to itself.
#define OPENSSL_SUPPRESS_DEPRECATED
#include <openssl/md5.h>
#include <openssl/sha.h>

#include <algorithm>

#include "formats/core/libcrypto.h"

namespace platter::hash {
namespace {

using kernels::LaneDigest;
using kernels::MessagePiece;

struct Updates {
  decltype(&MD5_Update) md5 = nullptr;
  decltype(&SHA1_Update) sha1 = nullptr;
  decltype(&SHA256_Update) sha256 = nullptr;
  decltype(&SHA512_Update) sha512 = nullptr;
};

// What the library does not have is null.
Updates Look() {
  Updates updates;
  const auto library = LoadLibcrypto();
  if (!library.ok()) return updates;
  (void)FindFunction(library.value(), "MD5_Update", updates.md5);
  (void)FindFunction(library.value(), "SHA1_Update", updates.sha1);
  (void)FindFunction(library.value(), "SHA256_Update", updates.sha256);
  (void)FindFunction(library.value(), "SHA512_Update", updates.sha512);
  return updates;
}

const Updates& Library() {
  static const Updates found = Look();
  return found;
}

// The contexts are empty but for the words: whole blocks are not kept, and the lengths are of no interest.
void TakeMd5(const MessagePiece& piece) {
  kernels::MessageState& words = *piece.state;
  MD5_CTX context{};
  context.A = static_cast<MD5_LONG>(words[0]);
  context.B = static_cast<MD5_LONG>(words[1]);
  context.C = static_cast<MD5_LONG>(words[2]);
  context.D = static_cast<MD5_LONG>(words[3]);
  (void)Library().md5(&context, piece.blocks.data(), piece.blocks.size());
  words = {context.A, context.B, context.C, context.D};
}

void TakeSha1(const MessagePiece& piece) {
  kernels::MessageState& words = *piece.state;
  SHA_CTX context{};
  context.h0 = static_cast<SHA_LONG>(words[0]);
  context.h1 = static_cast<SHA_LONG>(words[1]);
  context.h2 = static_cast<SHA_LONG>(words[2]);
  context.h3 = static_cast<SHA_LONG>(words[3]);
  context.h4 = static_cast<SHA_LONG>(words[4]);
  (void)Library().sha1(&context, piece.blocks.data(), piece.blocks.size());
  words = {context.h0, context.h1, context.h2, context.h3, context.h4};
}

template <class Context, class Word, class Update>
void TakeSha2(const MessagePiece& piece, Update update) {
  Context context{};
  std::ranges::transform(*piece.state, context.h, [](std::uint64_t word) { return static_cast<Word>(word); });
  (void)update(&context, piece.blocks.data(), piece.blocks.size());
  std::ranges::copy(context.h, piece.state->begin());
}
void TakeSha256(const MessagePiece& piece) { TakeSha2<SHA256_CTX, SHA_LONG>(piece, Library().sha256); }
void TakeSha512(const MessagePiece& piece) { TakeSha2<SHA512_CTX, SHA_LONG64>(piece, Library().sha512); }

}  // namespace

Result<BlockLoop> LoadBlockLoop(LaneDigest digest) {
  PLATTER_TRY(LoadLibcrypto());
  const Updates& updates = Library();
  BlockLoop loop;
  if (digest == LaneDigest::kMd5) {
    if (updates.md5 != nullptr) loop.take = TakeMd5;
  } else if (digest == LaneDigest::kSha1) {
    if (updates.sha1 != nullptr) loop.take = TakeSha1;
  } else if (kernels::TraitsOf(digest).word == 4) {
    if (updates.sha256 != nullptr) loop.take = TakeSha256;
  } else if (updates.sha512 != nullptr) {
    loop.take = TakeSha512;
  }
  if (loop.take != nullptr) return loop;
  return Error(ErrorKind::kUnsupported, "OpenSSL does not offer its loops over blocks here");
}

}  // namespace platter::hash
