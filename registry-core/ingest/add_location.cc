#include "registry-core/ingest/add_location.h"

#include <fmt/format.h>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include "convert/hash/algorithm.h"
#include "registry-core/catalog/records.h"
#include "registry-core/ingest/judgement.h"
#include "registry-core/ingest/watched_storage.h"

namespace platter::registry {
namespace {

constexpr std::size_t kPiece = std::size_t{1} << 20;

Error Conflict(std::string what) { return Error(ErrorKind::kConflict, std::move(what)); }

// What a store says of a location that it cannot read: other kinds are the image's, its content's, and our own host's.
Error OfLocation(const Error& error) {
  return Error(ErrorKind::kInvalid, fmt::format("the location is of no use: {}", error.Describe()));
}

bool HasUrl(const ImageRecord& image, const std::string& url) {
  return std::ranges::any_of(image.locations, [&url](const Location& location) { return location.url == url; });
}

std::string Lower(std::string text) {
  for (char& c : text) {
    if (c >= 'A' && c <= 'F') c = static_cast<char>(c - 'A' + 'a');
  }
  return text;
}

bool IsHex(std::string_view text, std::size_t bytes) {
  return text.size() == 2 * bytes && text.find_first_not_of("0123456789abcdefABCDEF") == std::string_view::npos;
}

// That a value may be set as it is said, or is so already.
Result<> CheckSaid(const char* name, const std::optional<std::string>& now, const std::optional<std::string>& said,
                   bool queued) {
  if (!said || now == said) return Done{};
  if (now) return Conflict(fmt::format("{} is already set with a different value", name));
  if (queued) return Done{};
  return Conflict(fmt::format("a new value for {} may only be given while the image is queued", name));
}

Result<> CheckDigests(const IngestRules& rules, const ImageRecord& image, const NewLocation& location) {
  const bool queued = image.status == Status::kQueued;
  PLATTER_CHECK(CheckSaid("checksum", image.checksum, location.checksum, queued));
  PLATTER_CHECK(CheckSaid("os_hash_algo", image.hash_algorithm, location.hash_algorithm, queued));
  PLATTER_CHECK(CheckSaid("os_hash_value", image.hash_value, location.hash_value, queued));
  if (!queued) return Done{};
  if (location.checksum && !IsHex(*location.checksum, TraitsOf(DigestAlgorithm::kMd5).size)) {
    return Conflict("checksum is no MD5 digest in hexadecimal digits");
  }
  if (!location.hash_algorithm && !location.hash_value) return Done{};
  if (location.hash_algorithm != rules.hash_algorithm) {
    return Conflict("os_hash_algo is not the one that is used here")
        .Found(location.hash_algorithm.value_or(""))
        .Allowed(rules.hash_algorithm);
  }
  const auto algorithm = FindDigest(rules.hash_algorithm);
  if (!algorithm || !location.hash_value || !IsHex(*location.hash_value, TraitsOf(*algorithm).size)) {
    return Conflict("os_hash_value is no digest of that kind in hexadecimal digits");
  }
  return Done{};
}

Result<> CheckRecord(const IngestRules& rules, const ImageRecord& image, const NewLocation& location) {
  const bool queued = image.status == Status::kQueued;
  if (!queued && image.status != Status::kActive) {
    return Conflict("locations are added to images that are queued or active")
        .Found(std::string(StatusName(image.status)));
  }
  if (HasUrl(image, location.url)) return Error(ErrorKind::kExists, "the image has that location already");
  if (location.position.value_or(0) > image.locations.size()) {
    return Error(ErrorKind::kInvalid, "there is no such position among the image's locations");
  }
  if (queued && (!image.disk_format || !image.container_format)) {
    return Error(ErrorKind::kInvalid, "disk_format and container_format must be set before a location");
  }
  return CheckDigests(rules, image, location);
}

// Bytes that are left of the owner's quota, once the locations are gone that the caller takes away.
Result<std::uint64_t> QuotaLeft(const IngestContext& context, const ImageRecord& image, const NewLocation& location) {
  if (!context.rules.quota_bytes) return UINT64_MAX;
  const std::uint64_t used = PLATTER_TRY(context.catalog.UsageOf(image.owner)).taken();
  const std::uint64_t going = location.replaced * image.size.value_or(0);
  const std::uint64_t others = used - std::min(used, going);
  return *context.rules.quota_bytes - std::min(others, *context.rules.quota_bytes);
}

Result<> CheckSize(const IngestContext& context, const ImageRecord& image, const NewLocation& location,
                   std::uint64_t size) {
  const bool queued = image.status == Status::kQueued;
  const std::uint64_t left = PLATTER_TRY(QuotaLeft(context, image, location));
  const std::uint64_t most = queued ? std::min(left, context.rules.max_image_bytes) : left;
  if (size <= most) return Done{};
  return Error(ErrorKind::kLimit, "the image is larger than images may be, or than what is left of the owner's quota")
      .Found(size)
      .Allowed(fmt::format("{} bytes", most));
}

// Every byte, in order.
template <class Take>
Result<> ReadAll(StoreReader& reader, const Take& take) {
  std::vector<std::byte> piece(kPiece);
  for (std::uint64_t at = 0; at < reader.size();) {
    const auto count = reader.ReadSome(at, piece);
    if (!count.ok()) return OfLocation(count.error());
    PLATTER_CHECK(take(std::span(piece).first(count.value())));
    at += count.value();
  }
  return Done{};
}

struct Found {
  std::uint64_t size = 0;
  std::uint64_t virtual_size = 0;
};

// A copy in the staging area for as long as the writer lives, which is unfinished all that time.
Result<std::shared_ptr<Storage>> Copied(Store& store, const std::string& url, StoreWriter& copy) {
  const auto opened = store.Get(url);
  if (!opened.ok()) return OfLocation(opened.error());
  StoreReader* reader = opened.value().get();
  PLATTER_CHECK(ReadAll(*reader, [&copy](std::span<const std::byte> bytes) { return copy.Write(bytes); }));
  auto storage = copy.Written();
  if (!storage || storage->size() != reader->size()) {
    return Error(ErrorKind::kIo, "the staging area holds fewer bytes than it was given");
  }
  return storage;
}

Result<Found> Inspected(const IngestContext& context, const StagingArea& staging, const ImageRecord& image,
                        Store& store, const NewLocation& location, Refusal& refusal) {
  const std::string& url = location.url;
  auto size = store.SizeOf(url);
  if (!size.ok()) return OfLocation(size.error());
  PLATTER_CHECK(CheckSize(context, image, location, size.value()));
  std::unique_ptr<StoreWriter> copy;
  auto storage = store.Open(url);
  if (!storage.ok() && storage.error().kind() == ErrorKind::kUnsupported) {
    copy = PLATTER_TRY(staging.store().Put(image.id, size.value()));
    storage = PLATTER_TRY(Copied(store, url, *copy));
  }
  if (!storage.ok()) return OfLocation(storage.error());
  const std::uint64_t length = storage.value()->size();
  PLATTER_CHECK(CheckSize(context, image, location, length));
  const Declared declared = DeclaredBy(context.rules, image);
  const auto watched = std::make_shared<WatchedStorage>(storage.value(), [&context]() -> Result<> {
    if (context.cancelled && context.cancelled()) return Error(ErrorKind::kCancelled, "the service was stopped");
    return Done{};
  });
  const auto memory = context.UnpackMemoryOf(image.owner.value_or(""));
  auto inspected = WithinMemory([&] { return JudgeStored(watched, context.rules, declared, memory.get()); });
  if (auto end = watched->TakeEnd()) return std::move(*end);
  if (!inspected.ok() && inspected.error().os_error() == ENOMEM) return std::move(inspected).error();
  if (!inspected.ok()) return OfLocation(inspected.error());
  inspect::Report report = std::move(inspected).value();
  if (report.verdict != inspect::Verdict::kAccepted) return RefusalOf(std::move(report), declared.policy, refusal);
  return Found{length, report.virtual_size.value_or(length)};
}

// That the object is the image, byte for byte.
Result<> Compare(const IngestContext& context, const ImageRecord& image, Store& store, const std::string& url) {
  const bool strong = image.hash_algorithm && image.hash_value;
  const auto algorithm = strong ? FindDigest(*image.hash_algorithm) : std::optional(DigestAlgorithm::kMd5);
  const std::optional<std::string>& wanted = strong ? image.hash_value : image.checksum;
  if (!algorithm || !wanted) return Conflict("the image has no digest that the location could be compared with");
  auto reader = store.Get(url);
  if (!reader.ok()) return OfLocation(reader.error());
  if (reader.value()->size() != image.size) {
    return Conflict("the location's size is not the image's").Found(reader.value()->size());
  }
  const auto stream = PLATTER_TRY(context.digests->Open(std::span(&*algorithm, 1)));
  PLATTER_CHECK(ReadAll(*reader.value(), [&stream](std::span<const std::byte> bytes) -> Result<> {
    stream->Update(bytes);
    return Done{};
  }));
  const std::vector<DigestValue> digests = PLATTER_TRY(stream->Finish());
  if (digests.front().Hex() == *wanted) return Done{};
  return Conflict("the location's bytes are not the image's").Found(digests.front().Hex());
}

// The record as it is with the location.
void Enter(const NewLocation& location, const std::string& store, const Found& found, ImageRecord& record) {
  const std::size_t position = location.position.value_or(record.locations.size());
  record.locations.insert(record.locations.begin() + static_cast<std::ptrdiff_t>(position),
                          Location{location.url, store, location.metadata});
  record.updated = Now();
  if (record.status != Status::kQueued) return;
  record.status = Status::kActive;
  record.size = found.size;
  record.virtual_size = found.virtual_size;
  if (location.checksum) record.checksum = Lower(*location.checksum);
  if (location.hash_algorithm) record.hash_algorithm = location.hash_algorithm;
  if (location.hash_value) record.hash_value = Lower(*location.hash_value);
}

}  // namespace

Result<ImageRecord> AddLocation(const IngestContext& context, const StagingArea& staging, std::string_view image_id,
                                const NewLocation& location, Refusal& refusal) {
  const ImageRecord image = PLATTER_TRY(context.catalog.Find(image_id));
  PLATTER_CHECK(CheckRecord(context.rules, image, location));
  Store* store = context.stores.FindFor(location.url);
  // What a store of our own holds belongs to some image already.
  if (store == nullptr || !store->read_only()) {
    return Error(ErrorKind::kInvalid, "no store takes such a location").Allowed("http://, https://");
  }
  // What the catalog will not take is not worth reading.
  ImageRecord wanted = image;
  Enter(location, store->name(), {}, wanted);
  PLATTER_CHECK(CheckFits(wanted, &image));
  Found found{image.size.value_or(0), image.virtual_size.value_or(0)};
  if (image.status == Status::kQueued) {
    found = PLATTER_TRY(Inspected(context, staging, image, *store, location, refusal));
  } else {
    PLATTER_CHECK(CheckSize(context, image, location, found.size));
    PLATTER_CHECK(Compare(context, image, *store, location.url));
  }
  // Others of the same owner came to their ends meanwhile.
  PLATTER_CHECK(CheckSize(context, image, location, found.size));
  return context.catalog.Change(image.id, [&](ImageRecord& record) -> Result<> {
    if (record.status != image.status || record.disk_format != image.disk_format ||
        record.container_format != image.container_format) {
      return Conflict("the image was changed while its location was looked into");
    }
    PLATTER_CHECK(CheckRecord(context.rules, record, location));
    Enter(location, store->name(), found, record);
    return Done{};
  });
}

}  // namespace platter::registry
