// OddStore: a store for what files do not do on demand: something that happens while it is listed, or asked to remove
// an object, and objects that are lost at their end.
#pragma once

#include <cerrno>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "registry-core/stores/store.h"

namespace platter::registry {

class OddStore final : public Store {
 public:
  // `during_list` is called in the middle of List, `during_removal` in that of PrepareDelete, which finds no object.
  explicit OddStore(
      std::function<void()> during_list = [] {}, std::function<void()> during_removal = [] {})
      : during_list_(std::move(during_list)), during_removal_(std::move(during_removal)) {}

  const std::string& name() const noexcept override { return name_; }
  std::string_view type() const noexcept override { return "odd"; }
  bool read_only() const noexcept override { return false; }
  bool Owns(std::string_view url) const override { return url.starts_with("odd://"); }

  Result<std::unique_ptr<StoreWriter>> Put(std::string_view /*id*/, std::optional<std::uint64_t> /*hint*/) override {
    return std::unique_ptr<StoreWriter>(std::make_unique<Writer>());
  }
  Result<std::unique_ptr<StoreReader>> Get(std::string_view /*url*/) override { return NotThere(); }
  Result<std::shared_ptr<Storage>> Open(std::string_view /*url*/) override { return NotThere(); }
  Result<std::unique_ptr<StoreRemoval>> PrepareDelete(std::string_view /*url*/) override {
    during_removal_();
    return NotThere();
  }
  Result<std::uint64_t> SizeOf(std::string_view /*url*/) override { return NotThere(); }
  Result<> List(Scope /*scope*/, const std::function<Result<>(const Listed&)>& /*visit*/) override {
    during_list_();
    return Done{};
  }
  Result<std::vector<std::string>> ObjectsOf(std::string_view /*id*/) override { return std::vector<std::string>(); }
  Result<> Resolve(const Listed& /*unfinished*/, bool /*keep*/) override { return NotThere(); }

 private:
  // Takes all bytes, and has no room for the last ones.
  class Writer final : public StoreWriter {
   public:
    Result<> Write(std::span<const std::byte> /*bytes*/) override { return Done{}; }
    Result<> WriteZeros(std::uint64_t /*count*/) override { return Done{}; }
    Result<std::string> Commit() override { return Error::FromErrno(ENOSPC, "cannot write to the store"); }
    Result<> Settle() override { return Done{}; }
    void Leave() noexcept override {}
  };
  static Error NotThere() { return Error(ErrorKind::kNotFound, "the store has no such object"); }

  const std::string name_ = "odd";
  const std::function<void()> during_list_;
  const std::function<void()> during_removal_;
};

}  // namespace platter::registry
