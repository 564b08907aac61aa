// The catalog on SQLite, with 1,000 images as a cloud has them. CPU time of the calling thread.
#include <benchmark/benchmark.h>
#include <fmt/format.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "registry-core/catalog/catalog.h"

namespace platter::registry {
namespace {

constexpr int kImages = 1000;

// Made once, in a folder that goes with the program.
class Filled {
 public:
  Filled() : folder_(std::filesystem::temp_directory_path() / ("catalog-bench-" + NewIdentifier())) {
    std::filesystem::create_directory(folder_);
    const auto url = DatabaseUrl::Parse("sqlite:///" + (folder_ / "registry.sqlite").string()).value();
    catalog_ = Catalog::Open(url, {}, true).value();
    for (int number = 0; number < kImages; ++number) ids_.push_back(catalog_->Insert(Image(number)).value().id);
  }
  ~Filled() {
    catalog_.reset();
    std::filesystem::remove_all(folder_);
  }
  Filled(const Filled&) = delete;
  Filled& operator=(const Filled&) = delete;

  Catalog& catalog() { return *catalog_; }
  const std::vector<std::string>& ids() const { return ids_; }

  static Filled& Instance() {
    static Filled filled;
    return filled;
  }

 private:
  static ImageRecord Image(int number) {
    ImageRecord image;
    image.id = NewIdentifier();
    image.name = fmt::format("image {}", number);
    image.status = Status::kActive;
    image.visibility = number % 2 == 0 ? Visibility::kPublic : Visibility::kPrivate;
    image.owner = "0f3c9e5d8f6a4d9d9a6a8d0b7d1e2f3a";
    image.disk_format = "qcow2";
    image.container_format = "bare";
    image.size = 1U << 30;
    image.virtual_size = 10U << 30;
    image.checksum = std::string(32, 'c');
    image.hash_algorithm = "sha512";
    image.hash_value = std::string(128, 'h');
    image.tags = {"lts", "server"};
    image.properties = {{"os_type", "linux"}, {"os_distro", "debian"}, {"hw_disk_bus", "virtio"}};
    image.locations = {{"file:///var/lib/glance/images/" + image.id, "file", {{"store", "\"file\""}}}};
    image.created = image.updated = Instant(std::chrono::seconds(1'700'000'000 + number));
    return image;
  }

  std::filesystem::path folder_;
  std::unique_ptr<Catalog> catalog_;
  std::vector<std::string> ids_;
};

void ListPage(benchmark::State& state, const ImageQuery& query) {
  Catalog& catalog = Filled::Instance().catalog();
  for (auto _ : state) {
    const auto page = catalog.List(query);
    if (!page.ok() || page.value().size() != query.limit) return state.SkipWithError("no page");
    benchmark::DoNotOptimize(page.value().front());
  }
}

ImageQuery As(std::string project, bool admin = false) {
  ImageQuery query;
  query.viewer = {admin, std::move(project)};
  return query;
}

void ListOwn(benchmark::State& state) { ListPage(state, As("0f3c9e5d8f6a4d9d9a6a8d0b7d1e2f3a")); }
void ListPublic(benchmark::State& state) { ListPage(state, As("another")); }
void ListAll(benchmark::State& state) { ListPage(state, As("admin", true)); }
void ListBehindMarker(benchmark::State& state) {
  ImageQuery query = As("0f3c9e5d8f6a4d9d9a6a8d0b7d1e2f3a");
  query.marker = Filled::Instance().ids()[500];
  ListPage(state, query);
}
void ListByName(benchmark::State& state) {
  ImageQuery query = As("0f3c9e5d8f6a4d9d9a6a8d0b7d1e2f3a");
  query.sort = {{Sort::kName, true}};
  ListPage(state, query);
}

void Find(benchmark::State& state) {
  Filled& filled = Filled::Instance();
  std::size_t at = 0;
  for (auto _ : state) benchmark::DoNotOptimize(filled.catalog().Find(filled.ids()[at++ % kImages]).ok());
}

void Change(benchmark::State& state) {
  Filled& filled = Filled::Instance();
  for (auto _ : state) {
    const auto changed = filled.catalog().Change(filled.ids()[0], [](ImageRecord& image) -> Result<> {
      image.min_ram += 1;
      return Done{};
    });
    if (!changed.ok()) return state.SkipWithError("no change");
  }
}

BENCHMARK(ListOwn)->Unit(benchmark::kMicrosecond);
BENCHMARK(ListPublic)->Unit(benchmark::kMicrosecond);
BENCHMARK(ListAll)->Unit(benchmark::kMicrosecond);
BENCHMARK(ListBehindMarker)->Unit(benchmark::kMicrosecond);
BENCHMARK(ListByName)->Unit(benchmark::kMicrosecond);
BENCHMARK(Find)->Unit(benchmark::kMicrosecond);
BENCHMARK(Change)->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace platter::registry
