// Records in and out of rows.
#pragma once

#include <span>

#include "registry-core/catalog/connection.h"

namespace platter::registry {

inline constexpr std::size_t kImageColumns = 20;
// "i.id, i.name, ...": of the table images as `i`, in the order of ReadImages.
extern const std::string_view kImageSelection;

// "(:p1, :p2, ...)", the last id several times: as many marks as the next power of two has, so that there are few
// statements to prepare. Requires: one id at least.
Sql& BindIds(std::span<const std::string> ids, Sql& sql);
// The images of these rows, with what the other tables have of them: four statements for 64 images. kCorrupt.
Result<std::vector<ImageRecord>> ReadImages(Connection& connection, const std::vector<Row>& rows);
Result<> InsertImage(Connection& connection, const ImageRecord& image);
// Stores what differs of `before`, which is what is there. Whether a record with that id and the version of `before`
// was there still.
Result<bool> ReplaceImage(Connection& connection, const ImageRecord& image, const ImageRecord& before);
// kInvalid where a number or a text is too large for its column, which the engines would not all say alike; kLimit
// where the record as a whole is too large. What `before`, the record as it is stored, has too much of may stay, so
// that it can be changed, and deleted.
Result<> CheckFits(const ImageRecord& image, const ImageRecord* before);
// The same for one text: `what` names it.
Result<> CheckFits(std::string_view what, std::string_view text, std::size_t most_letters);

// A row's field as a number. kCorrupt.
Result<std::uint64_t> Unsigned(const Value& value, std::string_view column);
Result<Instant> AsInstant(const Value& value, std::string_view column);
inline std::int64_t Ticks(Instant instant) noexcept { return instant.time_since_epoch().count(); }

}  // namespace platter::registry
