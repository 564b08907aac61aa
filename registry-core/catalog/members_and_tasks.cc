// Catalog's calls on members and tasks.
#include <fmt/format.h>

#include "registry-core/catalog/catalog.h"
#include "registry-core/catalog/pool.h"
#include "registry-core/catalog/records.h"

namespace platter::registry {
namespace {

constexpr std::string_view kMemberSelection =
    "SELECT image_id, project, status, created_at, updated_at FROM image_members WHERE image_id = ";
constexpr std::size_t kMemberColumns = 5;

Result<Member> ReadMember(const Row& row) {
  const auto status = FindMemberStatus(row[2].value_or(""));
  if (!status)
    return Error(ErrorKind::kCorrupt, "the database holds no status of a member").Found(row[2].value_or("NULL"));
  const auto created = PLATTER_TRY(AsInstant(row[3], "created_at"));
  const auto updated = PLATTER_TRY(AsInstant(row[4], "updated_at"));
  return Member{row[0].value_or(""), row[1].value_or(""), *status, created, updated};
}

Error NoMember(std::string_view image, std::string_view project) {
  return Error(ErrorKind::kNotFound, fmt::format("the image {} is not shared with {}", image, project));
}

Result<std::optional<Member>> LoadMember(Connection& connection, std::string_view image, std::string_view project) {
  Sql sql(kMemberSelection);
  sql.Bind(image) << " AND project = ";
  sql.Bind(project);
  const std::vector<Row> rows = PLATTER_TRY(connection.Select(sql, kMemberColumns));
  if (rows.empty()) return std::optional<Member>();
  return std::optional(PLATTER_TRY(ReadMember(rows[0])));
}

Result<bool> LockImage(Connection& connection, std::string_view image) {
  Sql sql("SELECT id FROM images WHERE live = 1 AND id = ");
  sql.Bind(image) << ForUpdate(connection.engine());
  return !PLATTER_TRY(connection.Select(sql, 1)).empty();
}

constexpr std::string_view kTaskSelection =
    "SELECT id, type, status, owner, image_id, request_id, user_id, input, result, message, created_at, updated_at, "
    "expires_at FROM tasks WHERE ";
constexpr std::size_t kTaskColumns = 13;

Result<TaskRecord> ReadTask(const Row& row) {
  TaskRecord task{row[0].value_or(""),
                  row[1].value_or(""),
                  row[2].value_or(""),
                  row[3].value_or(""),
                  row[4].value_or(""),
                  row[5].value_or(""),
                  row[6].value_or(""),
                  row[7].value_or(""),
                  row[8].value_or(""),
                  row[9].value_or(""),
                  {},
                  {},
                  {}};
  task.created = PLATTER_TRY(AsInstant(row[10], "created_at"));
  task.updated = PLATTER_TRY(AsInstant(row[11], "updated_at"));
  if (row[12]) task.expires = PLATTER_TRY(AsInstant(row[12], "expires_at"));
  return task;
}

Value Expiry(const TaskRecord& task) {
  return task.expires ? Value(std::to_string(Ticks(*task.expires))) : std::nullopt;
}

Error NoTask(std::string_view id) {
  return Error(ErrorKind::kNotFound, fmt::format("there is no task with the id {}", id));
}

Result<std::optional<TaskRecord>> LoadTask(Connection& connection, std::string_view id) {
  Sql sql(kTaskSelection);
  (sql << "id = ").Bind(id);
  const std::vector<Row> rows = PLATTER_TRY(connection.Select(sql, kTaskColumns));
  if (rows.empty()) return std::optional<TaskRecord>();
  return std::optional(PLATTER_TRY(ReadTask(rows[0])));
}

std::string_view ColumnOf(TaskSort sort) noexcept {
  switch (sort) {
    case TaskSort::kCreatedAt:
      break;
    case TaskSort::kUpdatedAt:
      return "updated_at";
    case TaskSort::kId:
      return "id";
    case TaskSort::kType:
      return "type";
    case TaskSort::kStatus:
      return "status";
  }
  return "created_at";
}

Sql& BindKey(TaskSort sort, const TaskRecord& task, Sql& sql) {
  switch (sort) {
    case TaskSort::kCreatedAt:
      break;
    case TaskSort::kUpdatedAt:
      return sql.Bind(Ticks(task.updated));
    case TaskSort::kId:
      return sql.Bind(std::string_view(task.id));
    case TaskSort::kType:
      return sql.Bind(std::string_view(task.type));
    case TaskSort::kStatus:
      return sql.Bind(std::string_view(task.status));
  }
  return sql.Bind(Ticks(task.created));
}

Result<Sql> TaskListing(Connection& connection, const TaskQuery& query) {
  Sql sql(kTaskSelection);
  sql << "1 = 1";
  if (!query.viewer.admin) (sql << " AND owner = ").Bind(std::string_view(query.viewer.project.value_or("")));
  if (query.type) (sql << " AND type = ").Bind(std::string_view(*query.type));
  if (query.status) (sql << " AND status = ").Bind(std::string_view(*query.status));
  if (query.image) (sql << " AND image_id = ").Bind(std::string_view(*query.image));
  const std::string_view column = ColumnOf(query.sort);
  if (query.marker) {
    const auto marker = PLATTER_TRY(LoadTask(connection, *query.marker));
    if (!marker || (!query.viewer.admin && marker->owner != query.viewer.project)) return NoTask(*query.marker);
    const std::string_view sign = query.newest_first ? " < " : " > ";
    const auto bind_key = [&]() -> Sql& { return BindKey(query.sort, *marker, sql); };
    sql << " AND (" << column << sign;
    bind_key();
    if (query.sort != TaskSort::kId) {
      sql << " OR (" << column << " = ";
      (bind_key() << " AND (created_at" << sign).Bind(Ticks(marker->created)) << " OR (created_at = ";
      (sql.Bind(Ticks(marker->created)) << " AND id" << sign).Bind(std::string_view(marker->id)) << ")))";
    }
    sql << ")";
  }
  const std::string_view direction = query.newest_first ? " DESC" : " ASC";
  sql << " ORDER BY ";
  // There is one task of each id.
  if (query.sort != TaskSort::kId) {
    if (query.sort != TaskSort::kCreatedAt) sql << column << direction << ", ";
    sql << "created_at" << direction << ", ";
  }
  sql << "id" << direction << " LIMIT " << std::to_string(query.limit);
  return sql;
}

}  // namespace

Result<Member> Catalog::AddMember(Member member) {
  PLATTER_CHECK(CheckFits("the project's id", member.project, 255));
  auto done = pool_->Transact(Access::kWrite, [&](Connection& connection) -> Result<> {
    // The lock on the image makes two who add the same member take turns.
    if (!PLATTER_TRY(LockImage(connection, member.image)))
      return Error(ErrorKind::kNotFound, fmt::format("there is no image with the id {}", member.image));
    if (PLATTER_TRY(LoadMember(connection, member.image, member.project)))
      return Error(ErrorKind::kExists,
                   fmt::format("the image {} is shared with {} already", member.image, member.project));
    Sql sql("INSERT INTO image_members (image_id, project, status, created_at, updated_at) VALUES ");
    sql.BindList({member.image, member.project, std::string(MemberStatusName(member.status)),
                  std::to_string(Ticks(member.created)), std::to_string(Ticks(member.updated))});
    PLATTER_CHECK(connection.Run(sql));
    return Done{};
  });
  if (!done.ok()) return std::move(done).error();
  return member;
}

Result<Member> Catalog::FindMember(std::string_view image, std::string_view project) {
  return pool_->Transact(Access::kRead, [&](Connection& connection) -> Result<Member> {
    auto member = PLATTER_TRY(LoadMember(connection, image, project));
    if (!member) return NoMember(image, project);
    return std::move(*member);
  });
}

Result<std::vector<Member>> Catalog::ListMembers(std::string_view image) {
  return pool_->Transact(Access::kRead, [&](Connection& connection) -> Result<std::vector<Member>> {
    Sql sql(kMemberSelection);
    sql.Bind(image) << " ORDER BY created_at, project";
    std::vector<Member> members;
    for (const Row& row : PLATTER_TRY(connection.Select(sql, kMemberColumns)))
      members.push_back(PLATTER_TRY(ReadMember(row)));
    return members;
  });
}

Result<Member> Catalog::SetMemberStatus(std::string_view image, std::string_view project, MemberStatus status) {
  return pool_->Transact(Access::kWrite, [&](Connection& connection) -> Result<Member> {
    const Instant now = Now();
    Sql sql("UPDATE image_members SET status = ");
    sql.Bind(MemberStatusName(status)) << ", updated_at = ";
    sql.Bind(Ticks(now)) << " WHERE image_id = ";
    sql.Bind(image) << " AND project = ";
    sql.Bind(project);
    PLATTER_CHECK(connection.Run(sql));
    auto member = PLATTER_TRY(LoadMember(connection, image, project));
    if (!member) return NoMember(image, project);
    return std::move(*member);
  });
}

Result<> Catalog::RemoveMember(std::string_view image, std::string_view project) {
  return pool_->Transact(Access::kWrite, [&](Connection& connection) -> Result<> {
    Sql sql("DELETE FROM image_members WHERE image_id = ");
    sql.Bind(image) << " AND project = ";
    sql.Bind(project);
    if (PLATTER_TRY(connection.Run(sql)) == 0) return NoMember(image, project);
    return Done{};
  });
}

Result<> Catalog::InsertTask(const TaskRecord& task) {
  PLATTER_CHECK(CheckFits("the task's request id", task.request, 255));
  return pool_->Transact(Access::kWrite, [&](Connection& connection) -> Result<> {
    if (PLATTER_TRY(LoadTask(connection, task.id)))
      return Error(ErrorKind::kExists, fmt::format("there is a task with the id {} already", task.id));
    Sql sql(
        "INSERT INTO tasks (id, type, status, owner, image_id, request_id, user_id, input, result, message, "
        "created_at, updated_at, expires_at) VALUES (");
    for (const std::string* text : {&task.id, &task.type, &task.status, &task.owner, &task.image, &task.request,
                                    &task.user, &task.input, &task.result, &task.message})
      sql.Bind(std::string_view(*text)) << ", ";
    sql.Bind(Ticks(task.created)) << ", ";
    sql.Bind(Ticks(task.updated)) << ", ";
    sql.Bind(Expiry(task)) << ")";
    PLATTER_CHECK(connection.Run(sql));
    return Done{};
  });
}

Result<TaskRecord> Catalog::FindTask(std::string_view id) {
  return pool_->Transact(Access::kRead, [&](Connection& connection) -> Result<TaskRecord> {
    auto task = PLATTER_TRY(LoadTask(connection, id));
    if (!task) return NoTask(id);
    return std::move(*task);
  });
}

Result<> Catalog::UpdateTask(const TaskRecord& task) {
  return pool_->Transact(Access::kWrite, [&](Connection& connection) -> Result<> {
    if (!PLATTER_TRY(LoadTask(connection, task.id))) return NoTask(task.id);
    Sql sql("UPDATE tasks SET status = ");
    sql.Bind(std::string_view(task.status)) << ", image_id = ";
    sql.Bind(std::string_view(task.image)) << ", input = ";
    sql.Bind(std::string_view(task.input)) << ", result = ";
    sql.Bind(std::string_view(task.result)) << ", message = ";
    sql.Bind(std::string_view(task.message)) << ", updated_at = ";
    sql.Bind(Ticks(task.updated)) << ", expires_at = ";
    sql.Bind(Expiry(task)) << " WHERE id = ";
    sql.Bind(std::string_view(task.id));
    PLATTER_CHECK(connection.Run(sql));
    return Done{};
  });
}

Result<std::vector<std::string>> Catalog::Explain(const TaskQuery& query) {
  return pool_->Transact(Access::kRead, [&](Connection& connection) -> Result<std::vector<std::string>> {
    return connection.Explain(PLATTER_TRY(TaskListing(connection, query)));
  });
}

Result<std::vector<TaskRecord>> Catalog::ListTasks(const TaskQuery& query) {
  return pool_->Transact(Access::kRead, [&](Connection& connection) -> Result<std::vector<TaskRecord>> {
    const Sql sql = PLATTER_TRY(TaskListing(connection, query));
    std::vector<TaskRecord> tasks;
    for (const Row& row : PLATTER_TRY(connection.Select(sql, kTaskColumns)))
      tasks.push_back(PLATTER_TRY(ReadTask(row)));
    return tasks;
  });
}

}  // namespace platter::registry
