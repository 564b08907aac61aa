// Records in and out of rows.
#pragma once

#include "registry-core/catalog/connection.h"

namespace platter::registry {

inline constexpr std::size_t kImageColumns = 20;
// "i.id, i.name, ...": of the table images as `i`, in the order of ReadImages.
extern const std::string_view kImageSelection;

// The images of these rows, with what the other tables have of them: a constant number of statements. kCorrupt.
Result<std::vector<ImageRecord>> ReadImages(Connection& connection, const std::vector<Row>& rows);
Result<> InsertImage(Connection& connection, const ImageRecord& image);
// Whether a record with that id and that version was there.
Result<bool> ReplaceImage(Connection& connection, const ImageRecord& image, std::uint64_t version);
// kInvalid where a number is too large for a column.
Result<> CheckNumbers(const ImageRecord& image);

// A row's field as a number. kCorrupt.
Result<std::uint64_t> Unsigned(const Value& value, std::string_view column);
Result<Instant> AsInstant(const Value& value, std::string_view column);
inline std::int64_t Ticks(Instant instant) noexcept { return instant.time_since_epoch().count(); }

}  // namespace platter::registry
