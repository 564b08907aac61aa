#include <fmt/format.h>

#include <utility>
#include <vector>

#include "registry-core/access/access.h"
#include "registry-core/ingest/staged_upload.h"
#include "tools/platterd/api/byte_range.h"
#include "tools/platterd/v2/handlers.h"

namespace platter::platterd {
namespace {

using registry::ImageRecord;
using registry::Status;

constexpr std::string_view kBytes = "application/octet-stream";

Error WrongState(const ImageRecord& image, Status wanted) {
  return Conflict(fmt::format("Image status transition from {} to {} is not allowed", StatusName(image.status),
                              StatusName(wanted)));
}

// An answer that ends a request before its body is read.
class Refused final : public http::BodyConsumer {
 public:
  explicit Refused(http::Response response) : response_(std::move(response)) {}
  std::optional<http::Response> Feed(std::span<const std::byte>) override { return std::move(response_); }
  http::Response Finish() override { return std::move(response_); }

 private:
  http::Response response_;
};

class UploadBody final : public http::BodyConsumer {
 public:
  UploadBody(const Backend& backend, std::unique_ptr<registry::Upload> upload, std::string owner)
      : backend_(backend), upload_(std::move(upload)), owner_(std::move(owner)) {}

  std::optional<http::Response> Feed(std::span<const std::byte> bytes) override {
    const auto fed = upload_->Feed(bytes);
    if (fed.ok()) return std::nullopt;
    return Failed(fed.error());
  }
  http::Response Finish() override {
    const auto finished = upload_->Finish();
    if (!finished.ok()) return Failed(finished.error());
    backend_.count_verdict("accepted");
    return EmptyResponse(204);
  }
  bool takes_long() const noexcept override { return true; }
  std::string owner() const override { return owner_; }

 private:
  // 415 with the finding's code where the content is to blame.
  http::Response Failed(const Error& error) const {
    backend_.count_verdict(error.kind() == ErrorKind::kDenied ? "refused" : "failed");
    if (error.kind() != ErrorKind::kDenied) return ErrorResponse(error);
    return http::ErrorPage(415, error.Describe());
  }

  const Backend& backend_;
  std::unique_ptr<registry::Upload> upload_;
  const std::string owner_;
};

class StageBody final : public http::BodyConsumer {
 public:
  StageBody(std::unique_ptr<registry::StagedUpload> upload, std::string owner)
      : upload_(std::move(upload)), owner_(std::move(owner)) {}

  std::optional<http::Response> Feed(std::span<const std::byte> bytes) override {
    const auto fed = upload_->Feed(bytes);
    if (fed.ok()) return std::nullopt;
    return ErrorResponse(fed.error());
  }
  http::Response Finish() override {
    const auto finished = upload_->Finish();
    return finished.ok() ? EmptyResponse(204) : ErrorResponse(finished.error());
  }
  bool takes_long() const noexcept override { return true; }
  std::string owner() const override { return owner_; }

 private:
  std::unique_ptr<registry::StagedUpload> upload_;
  const std::string owner_;
};

std::unique_ptr<http::BodyConsumer> WrongType(const http::Request& request) {
  const std::string type = MediaType(request);
  return std::make_unique<Refused>(
      http::ErrorPage(415, fmt::format("Invalid content type {}", type.empty() ? "None" : type)));
}

// The store that the request names, for services that have several.
Result<std::string> WantedStore(const Backend& backend, const Call& call) {
  const auto name = call.request.headers.Find("X-Image-Meta-Store");
  if (!backend.options.many_stores || !name) return std::string();
  const registry::Store* store = backend.stores().Find(*name);
  if (store == nullptr) return Invalid(fmt::format("Store for identifier {} not found", *name));
  if (store->read_only()) return Invalid(fmt::format("The store {} takes no images.", *name));
  return std::string(*name);
}

// The part of a file of that size that the request asks for. As ParseRange.
Result<std::optional<ByteSpan>> WantedRange(const http::Request& request, std::uint64_t size) {
  if (const auto range = request.headers.Find("Range")) return std::optional(PLATTER_TRY(ParseRange(*range, size)));
  if (const auto range = request.headers.Find("Content-Range")) {
    return std::optional(PLATTER_TRY(ParseContentRange(*range, size)));
  }
  return std::optional<ByteSpan>();
}

Error NoRanges(const ByteSpan& wanted) {
  return Invalid(fmt::format("Getting images randomly from this store is not supported. Offset: {}, length: {}",
                             wanted.offset, wanted.length));
}

// From the first location that can be read from there on.
Result<std::unique_ptr<registry::StoreReader>> OpenImage(const Backend& backend, const ImageRecord& image,
                                                         const ByteSpan& wanted) {
  std::optional<Error> failure;
  for (const registry::Location& location : image.locations) {
    registry::Store* store = backend.stores().FindFor(location.url);
    if (store == nullptr) continue;
    auto reader = store->Get(location.url);
    if (!reader.ok()) {
      failure = std::move(reader).error();
    } else if (reader.value()->size() != image.size.value_or(0)) {
      // Fewer or more bytes than the record says are not this image.
      failure = Error(ErrorKind::kCorrupt, "the store holds something else");
    } else {
      auto sought = reader.value()->Seek(wanted.offset);
      if (sought.ok()) return reader;
      failure = std::move(sought).error();
      if (failure->kind() == ErrorKind::kUnsupported) failure = NoRanges(wanted);
    }
  }
  if (failure) return std::move(*failure);
  return NotFound("no store here has the image's locations");
}

http::Response RangeError(std::uint64_t size) {
  http::Response response = http::ErrorPage(416, "The range cannot be satisfied.");
  response.headers.Add("Content-Range", fmt::format("bytes */{}", size));
  return response;
}

}  // namespace

Reply DownloadImage(const Backend& backend, const Call& call) {
  const ImageRecord image = PLATTER_TRY(VisibleImage(backend, call.caller, call.parameters[0]));
  PLATTER_CHECK(registry::MayDownload(backend.options.access, call.caller, image));
  // There is no data, and that is no error: 204, as clients expect it.
  if (!registry::HasBytes(image.status)) return EmptyResponse(204);
  const std::uint64_t size = image.size.value_or(0);
  const auto range = WantedRange(call.request, size);
  if (!range.ok() && range.error().kind() == ErrorKind::kInvalid) return Invalid(range.error().Describe());
  if (!range.ok()) return RangeError(size);
  const ByteSpan span = range.value().value_or(ByteSpan{0, size});
  auto reader = OpenImage(backend, image, span);
  http::Response response;
  if (!reader.ok() && reader.error().kind() == ErrorKind::kNotFound) {
    response.status = 204;
    response.trouble = fmt::format("the bytes of image {} are gone: {}", image.id, reader.error().Describe());
    return response;
  }
  response.file = PLATTER_TRY(std::move(reader));
  response.offset = span.offset;
  response.length = span.length;
  response.headers.Add("Content-Type", std::string(kBytes));
  response.headers.Add("Accept-Ranges", "bytes");
  if (range.value()) {
    response.status = 206;
    response.headers.Add("Content-Range",
                         fmt::format("bytes {}-{}/{}", span.offset, span.offset + span.length - 1, size));
  }
  if (image.checksum) response.headers.Add("Content-MD5", *image.checksum);
  return response;
}

Consumer UploadImage(const Backend& backend, const Call& call) {
  const ImageRecord image = PLATTER_TRY(VisibleImage(backend, call.caller, call.parameters[0]));
  if (!registry::MayModify(backend.options.access, call.caller, image).ok()) {
    return Forbidden(fmt::format("Not allowed to upload image data for image {}", image.id));
  }
  if (MediaType(call.request) != kBytes) return WrongType(call.request);
  if (image.status != Status::kQueued) return WrongState(image, Status::kSaving);
  if (!image.disk_format || !image.container_format) {
    std::vector<std::string_view> missing;
    if (!image.disk_format) missing.emplace_back("disk_format");
    if (!image.container_format) missing.emplace_back("container_format");
    return Invalid(fmt::format("Properties {} must be set prior to saving data.", fmt::join(missing, ", ")));
  }
  const std::string store = PLATTER_TRY(WantedStore(backend, call));
  auto upload = PLATTER_TRY(registry::Upload::Begin(backend.ingest, image.id, registry::Upload::Way::kDirect, store,
                                                    call.request.content_length));
  return std::unique_ptr<http::BodyConsumer>(
      std::make_unique<UploadBody>(backend, std::move(upload), call.caller.project.value_or("")));
}

Consumer StageImage(const Backend& backend, const Call& call) {
  if (std::ranges::find(backend.options.import_methods, "glance-direct") == backend.options.import_methods.end()) {
    return NotFound("'glance-direct' method is not available at this site.");
  }
  const ImageRecord image = PLATTER_TRY(VisibleImage(backend, call.caller, call.parameters[0]));
  PLATTER_CHECK(registry::MayModify(backend.options.access, call.caller, image));
  if (MediaType(call.request) != kBytes) return WrongType(call.request);
  if (image.status != Status::kQueued) return WrongState(image, Status::kUploading);
  auto upload = PLATTER_TRY(
      registry::StagedUpload::Begin(backend.ingest, backend.staging, image.id, call.request.content_length));
  return std::unique_ptr<http::BodyConsumer>(
      std::make_unique<StageBody>(std::move(upload), call.caller.project.value_or("")));
}

}  // namespace platter::platterd
