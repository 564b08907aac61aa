#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "formats/core/json.h"
#include "registry-core/access/access.h"
#include "tools/platterd/api/identifier.h"
#include "tools/platterd/api/image_query.h"
#include "tools/platterd/api/image_view.h"
#include "tools/platterd/v2/handlers.h"

namespace platter::platterd {
namespace {

using registry::TaskQuery;
using registry::TaskRecord;

constexpr std::array<std::string_view, 4> kStatuses = {"pending", "processing", "success", "failure"};
constexpr std::array<std::string_view, 2> kTypes = {"import", "api_image_import"};

template <std::size_t N>
Result<std::string> OneOf(const std::array<std::string_view, N>& allowed, std::string_view what,
                          const std::string& value) {
  if (std::ranges::find(allowed, value) == allowed.end()) {
    return Invalid(fmt::format("Invalid {} value: {}", what, value));
  }
  return value;
}

struct SortName {
  std::string_view name;
  registry::TaskSort sort;
};
constexpr SortName kSorts[] = {
    {"id", registry::TaskSort::kId},
    {"type", registry::TaskSort::kType},
    {"status", registry::TaskSort::kStatus},
    {"created_at", registry::TaskSort::kCreatedAt},
    {"updated_at", registry::TaskSort::kUpdatedAt},
};

Result<registry::TaskSort> SortBy(std::string_view name) {
  const auto* const found = std::ranges::find(kSorts, name, &SortName::name);
  if (found != std::end(kSorts)) return found->sort;
  return Invalid(fmt::format(
      "Invalid sort key: {}. It must be one of the following: id, type, status, created_at, updated_at.", name));
}

// The query of GET /v2/tasks.
Result<TaskQuery> ParseTaskQuery(const QueryItems& items, const ApiOptions& options) {
  TaskQuery query;
  query.viewer.admin = true;
  query.limit = std::min(options.limit_default, options.limit_max);
  for (const auto& [key, value] : items) {
    if (key == "limit") {
      query.limit = PLATTER_TRY(ParseLimit(value, options.limit_max));
    } else if (key == "marker") {
      if (!registry::IsIdentifier(value)) return Invalid("Invalid marker format");
      query.marker = CanonicalIdentifier(value);
    } else if (key == "sort_dir") {
      if (value != "asc" && value != "desc") return Invalid(fmt::format("Invalid sort direction: {}", value));
      query.newest_first = value == "desc";
    } else if (key == "sort_key") {
      query.sort = PLATTER_TRY(SortBy(value));
    } else if (key == "status") {
      query.status = PLATTER_TRY(OneOf(kStatuses, "status", value));
    } else if (key == "type") {
      query.type = PLATTER_TRY(OneOf(kTypes, "type", value));
    }
  }
  return query;
}

}  // namespace

Reply ListImageTasks(const Backend& backend, const Call& call) {
  const registry::ImageRecord image = PLATTER_TRY(VisibleImage(backend, call.caller, call.parameters[0]));
  // Whose project is unknown has no imports: those of nobody's project are nobody's.
  if (!call.caller.admin && call.caller.project.value_or("").empty()) {
    return JsonResponse(200, JsonObject().Json("tasks", "[]").Finish());
  }
  TaskQuery query;
  query.viewer = {.admin = call.caller.admin, .project = call.caller.project};
  query.image = image.id;
  query.limit = backend.options.limit_max;
  std::vector<std::string> tasks;
  for (const TaskRecord& task : PLATTER_TRY(backend.catalog().ListTasks(query))) {
    tasks.push_back(TaskJson(task, false));
  }
  return JsonResponse(200, JsonObject().Json("tasks", JsonList(tasks)).Finish());
}

Reply ListTasks(const Backend& backend, const Call& call) {
  PLATTER_CHECK(registry::MayAdminister(call.caller));
  const TaskQuery query = PLATTER_TRY(ParseTaskQuery(call.request.query, backend.options));
  std::vector<TaskRecord> page;
  if (query.limit > 0) {
    auto listed = backend.catalog().ListTasks(query);
    if (!listed.ok() && listed.error().kind() == ErrorKind::kNotFound) {
      return Invalid(fmt::format("No task found with ID {}", query.marker.value_or("")));
    }
    page = PLATTER_TRY(std::move(listed));
  }
  std::vector<std::string> tasks;
  tasks.reserve(page.size());
  for (const TaskRecord& task : page) tasks.push_back(TaskJson(task, true));
  JsonObject out;
  out.Json("tasks", JsonList(tasks));
  out.Text("first", "/v2/tasks" + PageQuery(call.request.query, ""));
  out.Text("schema", "/v2/schemas/tasks");
  if (!page.empty() && page.size() == query.limit) {
    out.Text("next", "/v2/tasks" + PageQuery(call.request.query, page.back().id));
  }
  return JsonResponse(200, out.Finish());
}

Reply ShowTask(const Backend& backend, const Call& call) {
  PLATTER_CHECK(registry::MayAdminister(call.caller));
  const std::string& id = call.parameters[0];
  auto found = registry::IsIdentifier(id) ? backend.catalog().FindTask(id) : NotFound("");
  if (!found.ok() && found.error().kind() == ErrorKind::kNotFound) {
    return NotFound(fmt::format("No task found with ID {}", id));
  }
  return JsonResponse(200, TaskJson(PLATTER_TRY(std::move(found)), false));
}

}  // namespace platter::platterd
