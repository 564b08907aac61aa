// Images of every kind made by qemu, ways to break them, and what qemu-img check and ours say about the result.
#pragma once

#include <cstdint>
#include <functional>
#include <iosfwd>
#include <memory>
#include <string>
#include <vector>

#include "formats/core/bytes.h"
#include "formats/core/driver.h"
#include "formats/core/storage.h"
#include "formats/qcow2/header.h"

namespace platter::test {

// How qemu makes an image. "IMG" in options and commands stands for the new image's path.
struct ImageRecipe {
  std::string name;
  std::string options;                              // of qemu-img create -o
  std::vector<std::string> io;                      // qemu-io commands
  std::vector<std::vector<std::string>> more = {};  // whole commands, run afterwards
  std::string size = "16M";
};

void PrintTo(const ImageRecipe& recipe, std::ostream* out);

// The kinds of image that the check has to know, by name.
const std::vector<ImageRecipe>& ImageRecipes();
const ImageRecipe& FindRecipe(const std::string& name);
// Makes the image in `folder` and returns its path.
std::string MakeImage(const ImageRecipe& recipe, const std::string& folder);

// An image's bytes with its tables at hand; offsets are host bytes.
class ImageBytes {
 public:
  explicit ImageBytes(const std::string& path);
  void Save(const std::string& path) const;

  std::uint64_t size() const noexcept { return bytes.size(); }
  std::uint64_t U64(std::uint64_t at) const { return LoadBe<std::uint64_t>(&bytes.at(at)); }
  std::uint32_t U32(std::uint64_t at) const { return LoadBe<std::uint32_t>(&bytes.at(at)); }
  void Put64(std::uint64_t at, std::uint64_t value) { StoreBe(&bytes.at(at), value); }
  void Put32(std::uint64_t at, std::uint32_t value) { StoreBe(&bytes.at(at), value); }
  void Put16(std::uint64_t at, std::uint16_t value) { StoreBe(&bytes.at(at), value); }

  // Offset of the n-th L2 entry in use, standard or compressed.
  std::uint64_t StandardEntry(std::size_t n) const { return standard_.at(n); }
  std::uint64_t CompressedEntry(std::size_t n) const { return compressed_.at(n); }
  std::uint64_t FirstRefcountBlock() const { return U64(header.refcount_table_offset); }
  std::uint64_t FirstL2() const { return U64(header.l1_table_offset) & qcow2::kOffsetMask; }
  // Changes the stored refcount of one cluster of the first block.
  void SetRefcount(std::uint64_t cluster, std::uint64_t count);

  std::vector<std::byte> bytes;
  qcow2::Header header;

 private:
  std::vector<std::uint64_t> standard_;
  std::vector<std::uint64_t> compressed_;
};

// One way to break an image.
struct Damage {
  std::string name;
  std::vector<std::string> images;  // recipes to try it on
  std::function<void(ImageBytes&)> apply;
  // Why a repair of ours ends elsewhere than qemu's, on purpose; empty: the two are equal.
  std::string repair_differs = {};
  // The guest reads a table's bytes, which a repair changes.
  bool shows_table_to_guest = false;
};
const std::vector<Damage>& Damages();

// One check's outcome.
struct Verdict {
  int exit_code = 0;  // qemu-img's: 0 clean, 1 failed, 2 corruptions, 3 leaks
  CheckReport report;
  std::vector<std::string> lines;  // sorted, without qemu-img's own last words
  std::string error;
};
Verdict CheckByQemu(const std::string& path, Repair repair = Repair::kNothing);
// In qemu's dialect, which looks for what qemu looks for; or in ours, which looks for more.
Verdict CheckByUs(const std::string& path, Repair repair = Repair::kNothing, Dialect dialect = Dialect::kQemu);
Verdict CheckByUs(std::shared_ptr<Storage> storage, Repair repair = Repair::kNothing, Dialect dialect = Dialect::kQemu);
// "" when equal, otherwise what differs.
std::string Differences(const Verdict& qemu, const Verdict& ours);
// The same without the log lines and without the image's end, which depend on where a new refcount structure is put.
std::string DifferencesInCounts(Verdict qemu, const Verdict& ours);

}  // namespace platter::test
