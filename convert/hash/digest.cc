#include "convert/hash/digest.h"

#include <fmt/format.h>
#include <isa-l/crc.h>

#include <algorithm>
#include <string>
#include <utility>

#include "convert/hash/evp.h"
#include "formats/core/bytes.h"

// The functions of libxxhash as part of this file: there is no library to load for them.
#define XXH_INLINE_ALL
#include <xxhash.h>

namespace platter {
namespace {

class EvpEngine : public Digest::Engine {
 public:
  static Result<std::unique_ptr<Digest::Engine>> Make(std::string_view name) {
    const hash::Evp& evp = *PLATTER_TRY(hash::LoadEvp());
    auto engine = std::unique_ptr<EvpEngine>(new EvpEngine(evp));
    engine->method_ = evp.md_fetch(nullptr, std::string(name).c_str(), nullptr);
    engine->context_ = evp.context_new();
    if (engine->method_ == nullptr || engine->context_ == nullptr || !engine->Start()) {
      return Error(ErrorKind::kUnsupported, fmt::format("OpenSSL does not offer {} here", name));
    }
    return std::unique_ptr<Digest::Engine>(std::move(engine));
  }
  ~EvpEngine() override {
    evp_.context_free(context_);
    evp_.md_free(method_);
  }
  EvpEngine(const EvpEngine&) = delete;
  EvpEngine& operator=(const EvpEngine&) = delete;

  void Update(std::span<const std::byte> bytes) noexcept override {
    good_ = evp_.update(context_, bytes.data(), bytes.size()) == 1 && good_;
  }
  bool Finish(std::span<std::byte> out) noexcept override {
    const bool finished = evp_.final(context_, reinterpret_cast<unsigned char*>(out.data()), nullptr) == 1;
    const bool good = good_ && finished;
    good_ = Start();
    return good;
  }

 private:
  explicit EvpEngine(const hash::Evp& evp) : evp_(evp) {}
  bool Start() noexcept { return evp_.init(context_, method_, nullptr) == 1; }

  const hash::Evp& evp_;
  EVP_MD* method_ = nullptr;
  EVP_MD_CTX* context_ = nullptr;
  bool good_ = true;
};

class Crc32cEngine : public Digest::Engine {
 public:
  void Update(std::span<const std::byte> bytes) noexcept override {
    constexpr std::size_t kMost = std::size_t{1} << 30;  // ISA-L counts in int
    while (!bytes.empty()) {
      const auto part = bytes.first(std::min(bytes.size(), kMost));
      // ISA-L's declaration leaves a const away.
      auto* data = reinterpret_cast<unsigned char*>(const_cast<std::byte*>(part.data()));
      state_ = crc32_iscsi(data, static_cast<int>(part.size()), state_);
      bytes = bytes.subspan(part.size());
    }
  }
  bool Finish(std::span<std::byte> out) noexcept override {
    StoreBe(out.data(), static_cast<std::uint32_t>(~state_));
    state_ = kStart;
    return true;
  }

 private:
  static constexpr std::uint32_t kStart = 0xffffffff;
  std::uint32_t state_ = kStart;
};

class Xxh3Engine : public Digest::Engine {
 public:
  Xxh3Engine() { XXH3_64bits_reset(&state_); }
  void Update(std::span<const std::byte> bytes) noexcept override {
    XXH3_64bits_update(&state_, bytes.data(), bytes.size());
  }
  bool Finish(std::span<std::byte> out) noexcept override {
    StoreBe(out.data(), std::uint64_t{XXH3_64bits_digest(&state_)});
    XXH3_64bits_reset(&state_);
    return true;
  }

 private:
  XXH3_state_t state_;
};

Result<std::unique_ptr<Digest::Engine>> MakeEngine(DigestAlgorithm algorithm) {
  if (algorithm == DigestAlgorithm::kCrc32c) return std::unique_ptr<Digest::Engine>(std::make_unique<Crc32cEngine>());
  if (algorithm == DigestAlgorithm::kXxh3) return std::unique_ptr<Digest::Engine>(std::make_unique<Xxh3Engine>());
  return EvpEngine::Make(TraitsOf(algorithm).evp);
}

}  // namespace

Result<Digest> Digest::Make(DigestAlgorithm algorithm) { return Digest(algorithm, PLATTER_TRY(MakeEngine(algorithm))); }

void Digest::UpdateZeros(std::uint64_t count) noexcept {
  static constexpr std::array<std::byte, 65536> kZeros{};
  while (count != 0) {
    const std::uint64_t part = std::min<std::uint64_t>(count, kZeros.size());
    engine_->Update(std::span(kZeros).first(part));
    count -= part;
  }
}

Result<DigestValue> Digest::Finish() {
  DigestValue value;
  value.size = TraitsOf(algorithm_).size;
  if (engine_->Finish(std::span(value.storage).first(value.size))) return value;
  return Error(ErrorKind::kIo, fmt::format("OpenSSL failed to compute {}", TraitsOf(algorithm_).name));
}

Result<DigestValue> Digest::Of(std::span<const std::byte> message) {
  Update(message);
  return Finish();
}

}  // namespace platter
