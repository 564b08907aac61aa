// How the API shows records: as JSON, members in Glance's order.
#pragma once

#include <string>

#include "registry-core/model/image_record.h"
#include "tools/platterd/api/api.h"

namespace platter::platterd {

std::string ImageJson(const registry::ImageRecord& image, const ApiOptions& options);
std::string MemberJson(const registry::Member& member);
// With `brief` as a list of tasks has it, without input, result and message.
std::string TaskJson(const registry::TaskRecord& task, bool brief);

}  // namespace platter::platterd
