#include "tests/qcow2/damaged_image.h"

namespace platter::test {
namespace {

const std::vector<std::string> kWrites = {"write -P 1 0 512k", "write -P 2 3M 200k", "write -z 4M 256k",
                                          "write -P 3 9M 64k", "write -z 3M 64k"};

std::vector<std::string> WithCompressed(std::vector<std::string> io) {
  io.insert(io.end(), {"write -c -P 5 12M 64k", "write -c -P 6 13M 64k"});
  return io;
}

std::vector<std::vector<std::string>> TwoSnapshots() {
  return {{"qemu-img", "snapshot", "-c", "before", "IMG"},
          {"qemu-io", "-f", "qcow2", "-c", "write -P 9 0 128k", "-c", "write -P 8 15M 128k", "IMG"},
          {"qemu-img", "snapshot", "-c", "after", "IMG"},
          {"qemu-io", "-f", "qcow2", "-c", "write -P 10 9M 64k", "IMG"}};
}

std::vector<ImageRecipe> MakeRecipes() {
  const auto all = WithCompressed(kWrites);
  std::vector<ImageRecipe> recipes = {
      {"empty", "", {}},
      {"plain", "", all},
      {"version2", "compat=0.10", all},
      {"clusters512", "cluster_size=512", all, {}, "16M"},
      {"clusters4k", "cluster_size=4k", all},
      {"clusters2m", "cluster_size=2M", kWrites, {}, "64M"},
      {"snapshots", "", all, TwoSnapshots()},
      {"snapshots_version2", "compat=0.10", all, TwoSnapshots()},
      {"extended", "extended_l2=on", WithCompressed({"write -P 1 0 512k", "write -P 7 7M 4k", "write -z 1M 8k"})},
      {"data_file", "data_file=IMG.data", kWrites},
      {"raw_data_file", "data_file=IMG.data,data_file_raw=on", kWrites},
      {"lazy", "lazy_refcounts=on", all},
      {"preallocated", "preallocation=metadata", kWrites},
      {"zstd", "compression_type=zstd", all},
      {"bitmaps",
       "",
       {},
       {{"qemu-img", "bitmap", "--add", "IMG", "first"},
        {"qemu-io", "-f", "qcow2", "-c", "write 0 1M", "IMG"},
        {"qemu-img", "bitmap", "--add", "-g", "64k", "IMG", "second"},
        {"qemu-io", "-f", "qcow2", "-c", "write 7M 1M", "IMG"}}},
      {"overlay", "backing_file=IMG.base,backing_fmt=raw", {"write -P 4 1M 64k"}},
  };
  for (const char* bits : {"1", "2", "4", "8", "32", "64"}) {
    recipes.push_back(
        {std::string("refcounts") + bits, std::string("refcount_bits=") + bits, *bits == '1' ? kWrites : all});
  }
  return recipes;
}

}  // namespace

const std::vector<ImageRecipe>& ImageRecipes() {
  static const std::vector<ImageRecipe> recipes = MakeRecipes();
  return recipes;
}

}  // namespace platter::test
