// Builds a new streamOptimized image in one pass, so that it can go into a pipe (section "Stream-Optimized Compressed
// Sparse Extents"): header and descriptor, compressed grains behind their markers, each grain table when the guest disk
// has left it behind, grain directory, footer, end-of-stream marker.
//
// Of a file the header is written last all the same, and a device has no end to put a footer at: its header knows where
// the directory is.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <vector>

#include "formats/core/deflate.h"
#include "formats/core/idle_pool.h"
#include "formats/core/writer.h"
#include "formats/vmdk/create_options.h"
#include "formats/vmdk/sparse_layout.h"

namespace platter::vmdk {

class StreamWriter : public ImageWriter {
 public:
  // `level`: as Deflater has it.
  StreamWriter(CreateOptions options, std::shared_ptr<Storage> storage, int level);

  Result<> Start();

  const WriterTraits& traits() const noexcept override { return traits_; }
  Result<> Encode(Batch& batch) override;
  Result<> Place(Batch& batch) override;
  Result<> Finish() override;

 private:
  enum class Grain : std::uint8_t { kData, kZeros, kZeroEntry };
  using GrainVisitor = std::function<Result<>(std::uint64_t grain, Grain kind)>;

  // Visits every grain that the batch leaves a trace of, in order.
  Result<> ForEachGrain(const Batch& batch, const GrainVisitor& visit) const;
  // Room for the tables that the batch's grains may complete stands first in Batch::encoded.
  Result<std::size_t> CountTables(const Batch& batch) const;
  Result<> EncodeGrain(Batch& batch, Deflater& deflater, std::span<const std::byte> bytes, std::uint64_t grain,
                       std::size_t& used) const;
  // Moves the open table into `room`, behind its marker; it stands at the position.
  void TakeTable(std::span<std::byte> room);
  // Host sectors from the position on.
  Result<> Advance(std::uint64_t sectors);
  Result<> WriteHere(std::span<const std::byte> bytes);
  Result<> WriteDirectory();
  SparseHeader MakeHeader(std::uint64_t directory) const;
  Result<> WriteHead(std::uint64_t directory);
  Result<> WriteTrailer(std::uint64_t directory);

  CreateOptions options_;
  std::shared_ptr<Storage> storage_;
  WriterTraits traits_;
  IdlePool<Deflater> deflaters_;
  std::uint64_t position_ = 0;  // host sectors that are handed out
  std::vector<std::uint32_t> directory_;
  std::uint64_t table_ = 0;  // that is open
  bool table_used_ = false;  // an entry of it is set
  std::array<std::uint32_t, kGrainTableEntries> entries_{};
};

}  // namespace platter::vmdk
