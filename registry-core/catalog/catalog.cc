#include "registry-core/catalog/catalog.h"

#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <span>
#include <unordered_map>

#include "registry-core/catalog/listing.h"
#include "registry-core/catalog/pool.h"
#include "registry-core/catalog/record_cache.h"
#include "registry-core/catalog/records.h"
#include "registry-core/catalog/schema.h"

namespace platter::registry {
namespace {

Error NoImage(std::string_view id) {
  return Error(ErrorKind::kNotFound, fmt::format("there is no image with the id {}", id));
}

Error NoMove(Status from, Status to) {
  return Error(ErrorKind::kConflict, fmt::format("an image cannot go from {} to {}", StatusName(from), StatusName(to)));
}

Result<std::optional<ImageRecord>> Load(Connection& connection, std::string_view id, std::string_view more) {
  Sql sql("SELECT ");
  (sql << kImageSelection << " FROM images i WHERE i.id = ").Bind(id) << more;
  const std::vector<Row> rows = PLATTER_TRY(connection.Select(sql, kImageColumns));
  std::vector<ImageRecord> images = PLATTER_TRY(ReadImages(connection, rows));
  if (images.empty()) return std::optional<ImageRecord>();
  return std::optional(std::move(images[0]));
}

// In the place of `before`, which is locked.
Result<ImageRecord> Replaced(Connection& connection, const ImageRecord& before, ImageRecord image) {
  if (image.status != before.status && !MayMove(before.status, image.status))
    return NoMove(before.status, image.status);
  image.version = before.version + 1;
  if (!PLATTER_TRY(ReplaceImage(connection, image, before)))
    return Error(ErrorKind::kConflict, "the image was changed by somebody else meanwhile");
  return image;
}

// Removes the rows with those ids: how many.
Result<std::uint64_t> Remove(Connection& connection, std::string_view table, const Sql& ids) {
  std::uint64_t removed = 0;
  for (const Row& row : PLATTER_TRY(connection.Select(ids, 1))) {
    Sql remove("DELETE FROM ");
    (remove << table << " WHERE id = ").Bind(row[0]);
    removed += PLATTER_TRY(connection.Run(remove));
  }
  return removed;
}

Result<bool> Exists(Connection& connection, std::string_view id) {
  Sql sql("SELECT 1 FROM images WHERE id = ");
  sql.Bind(id);
  return !PLATTER_TRY(connection.Select(sql, 1)).empty();
}

Result<bool> MaySee(Connection& connection, const Viewer& viewer, const ImageRecord& image) {
  if (viewer.admin || image.visibility == Visibility::kPublic || image.visibility == Visibility::kCommunity)
    return true;
  if (!viewer.project) return false;
  if (image.owner == viewer.project) return true;
  if (image.visibility != Visibility::kShared) return false;
  Sql sql("SELECT 1 FROM image_members WHERE image_id = ");
  sql.Bind(std::string_view(image.id)) << " AND project = ";
  sql.Bind(std::string_view(*viewer.project));
  return !PLATTER_TRY(connection.Select(sql, 1)).empty();
}

Result<Listing> ListingFor(Connection& connection, const ImageQuery& query) {
  if (!query.marker) return ListingOf(query, nullptr, connection.engine());
  const auto marker = PLATTER_TRY(Load(connection, *query.marker, " AND i.live = 1"));
  if (!marker || !PLATTER_TRY(MaySee(connection, query.viewer, *marker))) return NoImage(*query.marker);
  return ListingOf(query, &*marker, connection.engine());
}

// The records of some of a listing's rows: those that nobody knows yet are read.
Result<> ReadPart(Connection& connection, std::span<const Row> rows, RecordCache& cache,
                  std::vector<ImageRecord>& images) {
  std::vector<std::shared_ptr<const ImageRecord>> page;
  std::vector<std::string> missing;
  for (const Row& row : rows) {
    const std::uint64_t version = PLATTER_TRY(Unsigned(row[1], "version"));
    page.push_back(cache.Find(row[0].value_or(""), version, PLATTER_TRY(AsInstant(row[2], "created_at"))));
    if (!page.back()) missing.push_back(row[0].value_or(""));
  }
  std::unordered_map<std::string_view, std::shared_ptr<const ImageRecord>> read;
  if (!missing.empty()) {
    Sql sql("SELECT ");
    BindIds(missing, sql << kImageSelection << " FROM images i WHERE i.id IN ");
    const std::vector<Row> missing_rows = PLATTER_TRY(connection.Select(sql, kImageColumns));
    for (ImageRecord& image : PLATTER_TRY(ReadImages(connection, missing_rows))) {
      auto kept = std::make_shared<const ImageRecord>(std::move(image));
      cache.Keep(kept);
      read.emplace(kept->id, kept);
    }
  }
  for (std::size_t at = 0; at < page.size(); ++at) {
    if (!page[at]) page[at] = read[*rows[at][0]];
    if (!page[at])
      return Error(ErrorKind::kCorrupt, "an image is in an index, but not in its table").Found(*rows[at][0]);
    images.push_back(*page[at]);
  }
  return Done{};
}

// In parts: how large records are is known when they are read.
Result<std::vector<ImageRecord>> ReadPage(Connection& connection, std::span<const Row> rows, RecordCache& cache) {
  constexpr std::size_t kPart = 64;
  std::vector<ImageRecord> images;
  images.reserve(rows.size());
  std::size_t bulk = 0;
  while (!rows.empty() && bulk < kMostPageBytes) {
    const std::size_t known = images.size();
    const std::size_t count = std::min(kPart, rows.size());
    PLATTER_CHECK(ReadPart(connection, rows.first(count), cache, images));
    rows = rows.subspan(count);
    for (std::size_t at = known; at < images.size(); ++at) bulk += BulkOf(images[at]);
  }
  return images;
}

constexpr std::size_t kCacheBytes = std::size_t{8} << 20;

}  // namespace

Catalog::Catalog(std::unique_ptr<Pool> pool)
    : pool_(std::move(pool)), cache_(std::make_unique<RecordCache>(kCacheBytes)) {}
Catalog::~Catalog() = default;

Result<std::unique_ptr<Catalog>> Catalog::Open(const DatabaseUrl& url, const CatalogOptions& options, bool migrate) {
  const SchemaState state = PLATTER_TRY(migrate ? Migrate(url, {}) : ReadSchemaState(url));
  PLATTER_CHECK(CheckNotNewer(state));
  if (state.found != state.wanted)
    return Error(ErrorKind::kUnsupported, "the database's schema is older than this program")
        .Found(fmt::format("version {}", state.found))
        .Allowed(std::to_string(state.wanted))
        .Try("run platterd db sync");
  return std::unique_ptr<Catalog>(new Catalog(std::make_unique<Pool>(url, options)));
}

Result<ImageRecord> Catalog::Insert(ImageRecord image) {
  PLATTER_CHECK(CheckFits(image, nullptr));
  image.version = 1;
  auto inserted = pool_->Transact(Access::kWrite, [&](Connection& connection) -> Result<> {
    if (PLATTER_TRY(Exists(connection, image.id)))
      return Error(ErrorKind::kExists, fmt::format("there is an image with the id {} already", image.id));
    return InsertImage(connection, image);
  });
  if (inserted.ok()) return image;
  if (inserted.error().kind() == ErrorKind::kIo) {  // somebody was faster, between the question and the insertion?
    const auto found = Find(image.id, true);
    if (found.ok() && found.value().created != image.created)
      return Error(ErrorKind::kExists, fmt::format("there is an image with the id {} already", image.id));
  }
  return std::move(inserted).error();
}

Result<ImageRecord> Catalog::Find(std::string_view id, bool with_deleted) {
  return pool_->Transact(Access::kRead, [&](Connection& connection) -> Result<ImageRecord> {
    auto image = PLATTER_TRY(Load(connection, id, with_deleted ? "" : " AND i.live = 1"));
    if (!image) return NoImage(id);
    return std::move(*image);
  });
}

Result<ImageRecord> Catalog::Update(ImageRecord image) {
  return pool_->Transact(Access::kWrite, [&](Connection& connection) -> Result<ImageRecord> {
    const auto before = PLATTER_TRY(Load(connection, image.id, ForUpdate(connection.engine())));
    if (!before) return NoImage(image.id);
    if (before->version != image.version)
      return Error(ErrorKind::kConflict, "the image was changed by somebody else meanwhile");
    PLATTER_CHECK(CheckFits(image, &*before));
    return Replaced(connection, *before, image);
  });
}

Result<ImageRecord> Catalog::Change(std::string_view id, const std::function<Result<>(ImageRecord&)>& change) {
  return pool_->Transact(Access::kWrite, [&](Connection& connection) -> Result<ImageRecord> {
    const auto before =
        PLATTER_TRY(Load(connection, id, fmt::format(" AND i.live = 1{}", ForUpdate(connection.engine()))));
    if (!before) return NoImage(id);
    ImageRecord image = *before;
    PLATTER_CHECK(change(image));
    PLATTER_CHECK(CheckFits(image, &*before));
    return Replaced(connection, *before, std::move(image));
  });
}

Result<std::vector<ImageRecord>> Catalog::List(const ImageQuery& query) {
  if (query.limit == 0) return std::vector<ImageRecord>{};
  return pool_->Transact(Access::kRead, [&](Connection& connection) -> Result<std::vector<ImageRecord>> {
    const Listing listing = PLATTER_TRY(ListingFor(connection, query));
    std::vector<std::vector<Row>> found;
    for (const Sql& selection : listing.selections)
      found.push_back(PLATTER_TRY(connection.Select(selection, listing.columns)));
    return ReadPage(connection, listing.Merge(std::move(found), query.limit), *cache_);
  });
}

Result<std::vector<std::string>> Catalog::Explain(const ImageQuery& query) {
  return pool_->Transact(Access::kRead, [&](Connection& connection) -> Result<std::vector<std::string>> {
    const Listing listing = PLATTER_TRY(ListingFor(connection, query));
    std::vector<std::string> lines;
    for (const Sql& selection : listing.selections) {
      auto plan = PLATTER_TRY(connection.Explain(selection));
      std::ranges::move(plan, std::back_inserter(lines));
    }
    return lines;
  });
}

Result<Usage> Catalog::UsageOf(const std::optional<std::string>& project) {
  return pool_->Transact(Access::kRead, [&](Connection& connection) -> Result<Usage> {
    Sql sql(
        "SELECT status, COUNT(*), COALESCE(SUM(size * (SELECT CASE COUNT(*) WHEN 0 THEN 1 ELSE COUNT(*) END FROM "
        "image_locations l WHERE l.image_id = i.id)), 0) FROM images i WHERE live = 1 AND owner ");
    if (project) {
      (sql << "= ").Bind(*project);
    } else {
      sql << "IS NULL";
    }
    sql << " GROUP BY status";
    Usage usage;
    for (const Row& row : PLATTER_TRY(connection.Select(sql, 3))) {
      const std::uint64_t images = PLATTER_TRY(Unsigned(row[1], "COUNT"));
      const std::uint64_t bytes = PLATTER_TRY(Unsigned(row[2], "SUM(size)"));
      const auto status = FindStatus(row[0].value_or(""));
      const bool staged = status == Status::kUploading || status == Status::kImporting;
      usage.images += images;
      usage.bytes += status == Status::kKilled || staged ? 0 : bytes;
      if (staged || status == Status::kSaving) usage.uploading += images;
      if (staged) usage.staged += bytes;
      if (status == Status::kImporting) usage.importing += bytes;
    }
    return usage;
  });
}

Result<std::vector<ImageRecord>> Catalog::InStates(const std::vector<Status>& states, std::string_view after,
                                                   std::uint32_t limit) {
  if (states.empty() || limit == 0) return std::vector<ImageRecord>{};
  std::vector<std::string> names;
  names.reserve(states.size());
  for (const Status status : states) names.emplace_back(StatusName(status));
  return pool_->Transact(Access::kRead, [&](Connection& connection) -> Result<std::vector<ImageRecord>> {
    Sql sql("SELECT ");
    (sql << kImageSelection << " FROM images i WHERE i.status IN ").BindList(names) << " AND i.id > ";
    sql.Bind(after) << " ORDER BY i.id LIMIT " << std::to_string(limit);
    const std::vector<Row> rows = PLATTER_TRY(connection.Select(sql, kImageColumns));
    return ReadImages(connection, rows);
  });
}

Result<std::uint64_t> Catalog::Purge(Instant before, std::uint32_t limit) {
  Sql rows("SELECT id FROM images WHERE status = 'deleted' AND deleted_at < ");
  rows.Bind(Ticks(before)) << " ORDER BY deleted_at, id LIMIT " << std::to_string(limit);
  return pool_->Transact(Access::kWrite, [&](Connection& connection) { return Remove(connection, "images", rows); });
}

Result<std::uint64_t> Catalog::PurgeTasks(Instant before, std::uint32_t limit) {
  Sql rows("SELECT id FROM tasks WHERE expires_at < ");
  rows.Bind(Ticks(before)) << " ORDER BY expires_at LIMIT " << std::to_string(limit);
  return pool_->Transact(Access::kWrite, [&](Connection& connection) { return Remove(connection, "tasks", rows); });
}

Result<> Catalog::Ping() {
  return pool_->Transact(Access::kRead, [&](Connection& connection) -> Result<> {
    PLATTER_CHECK(connection.Select(Sql("SELECT version FROM platter_schema"), 1));
    return Done{};
  });
}

}  // namespace platter::registry
