// Compressed clusters back to guest bytes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>

#include "formats/core/result.h"
#include "formats/qcow2/layout.h"

namespace platter::qcow2 {

// How much of `in` is the stream that fills a cluster, as far as can be told without inflating it; empty where that
// leaves a doubt: the stream is damaged, cut short, or of a kind that only inflating can judge.
struct StreamEnd {
  std::size_t length = 0;
  bool exact = false;  // false: the stream ends somewhere in the last sector
};
std::optional<StreamEnd> FindStreamEnd(Compression compression, std::span<const std::byte> in,
                                       std::uint64_t cluster_size) noexcept;

// Reusable state for one thread at a time; holds no memory that a stream could make grow.
class Inflater {
 public:
  explicit Inflater(Compression compression);
  ~Inflater();
  Inflater(Inflater&&) noexcept;
  Inflater& operator=(Inflater&&) noexcept;

  // Fills `out`, one cluster, from the stream at the start of `in`. What follows the stream in `in` is ignored: the
  // image does not record where a stream ends. kCorrupt when the stream is damaged or gives less than a cluster.
  Result<> Inflate(std::span<const std::byte> in, std::span<std::byte> out);

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace platter::qcow2
