// Catalog: the records of images, members and tasks in a database (SQLite, MariaDB or PostgreSQL, through SOCI).
//
// Thread rule: every call may come from any thread; each takes a connection from the pool for as long as it lasts, and
// is one transaction. Errors of every call: kIo where the database is away or failed (the next call tries again),
// kCorrupt where it holds what the schema forbids.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "formats/core/result.h"
#include "registry-core/model/image_record.h"

namespace platter::registry {

enum class Engine : std::uint8_t { kSqlite, kMariaDb, kPostgreSql };

// Where the database is, as a glance-api.conf says it: "sqlite:////var/lib/platter/registry.sqlite",
// "mysql+pymysql://user:password@host:3306/glance?charset=utf8", "postgresql://user:password@host/glance".
struct DatabaseUrl {
  Engine engine = Engine::kSqlite;
  std::string path;  // of the file, SQLite only
  std::string user, password, host, database;
  std::optional<std::uint16_t> port;
  std::string socket;  // "" for none: ?unix_socket= of MariaDB; ?host= of PostgreSQL, which may name a host, too
  std::vector<std::pair<std::string, std::string>> options;  // what else stands behind the "?"

  // kInvalid naming what is wrong, an option that is not known included; the password is in no message.
  static Result<DatabaseUrl> Parse(std::string_view text);
  // For people: without the password.
  std::string Describe() const;
};

enum class Sort : std::uint8_t { kName, kStatus, kContainerFormat, kDiskFormat, kSize, kId, kCreatedAt, kUpdatedAt };
struct SortKey {
  Sort key = Sort::kCreatedAt;
  bool ascending = false;
};

enum class Comparison : std::uint8_t { kEqual, kNotEqual, kLess, kLessOrEqual, kGreater, kGreaterOrEqual };
struct InstantFilter {
  Comparison comparison = Comparison::kEqual;
  Instant instant{};
};

// Who looks: what a listing shows depends on it.
struct Viewer {
  bool admin = false;  // sees all
  std::optional<std::string>
      project;  // sees its own, the public ones, the community's where asked for, its accepted shares
};

// By how many tags, properties and times together a listing may be filtered, each counted once.
inline constexpr std::size_t kMostConditions = 20;

// A page of a listing. Filters that are empty let everything pass; several values of one are alternatives.
struct ImageQuery {
  Viewer viewer;
  std::vector<std::string> ids, names, statuses, disk_formats, container_formats, owners;
  std::optional<Visibility> visibility;                                 // empty: all but the community's of others
  bool all_visibilities = false;                                        // "visibility=all"
  std::optional<MemberStatus> member_status = MemberStatus::kAccepted;  // of shares; empty: any
  std::optional<bool> is_protected;
  bool hidden = false;
  std::vector<std::string> tags;                    // all of them
  std::optional<std::uint64_t> size_min, size_max;  // bytes, both inclusive
  std::optional<std::uint64_t> min_disk, min_ram, size;
  std::optional<std::string> checksum, hash_value, hash_algorithm;
  std::vector<InstantFilter> created, updated;
  std::vector<std::pair<std::string, std::string>> properties;  // custom ones, all of them
  // What ties remain is decided by created_at and id: in the direction of a single key, newest first behind several, as
  // Glance does it.
  std::vector<SortKey> sort;
  std::optional<std::string> marker;  // the id behind which the page starts
  std::uint32_t limit = 25;
};

enum class TaskSort : std::uint8_t { kCreatedAt, kUpdatedAt, kId, kType, kStatus };
struct TaskQuery {
  Viewer viewer;
  std::optional<std::string> type, status, image;
  TaskSort sort = TaskSort::kCreatedAt;  // what ties remain is decided by created_at and id, in the same direction
  bool newest_first = true;              // descending
  std::optional<std::string> marker;
  std::uint32_t limit = 25;
};

struct Usage {
  std::uint64_t images = 0;     // not deleted
  std::uint64_t bytes = 0;      // of their files, as many times as there are locations; not what is staged
  std::uint64_t uploading = 0;  // images in saving, uploading or importing
  std::uint64_t staged = 0;     // bytes of images in uploading or importing
  std::uint64_t importing = 0;  // of these, in importing

  // Bytes that count against a quota: what is being imported is as good as there.
  std::uint64_t taken() const noexcept { return bytes + importing; }
};

struct CatalogOptions {
  unsigned connections = 8;  // at most, each made when it is needed first
  unsigned connect_seconds = 10;
  unsigned wait_seconds = 30;  // for a connection when all are in use, for SQLite's file when it is locked; then kIo
  unsigned statement_seconds = 30;  // of a statement, on a server, which ends it then: kIo; 0: as long as it takes
  // Told how long each transaction took, waiting and trying again included. Called by any thread.
  std::function<void(double seconds)> observe = {};
};

class RecordCache;

// How large a page becomes, see Catalog::List.
inline constexpr std::size_t kMostPageBytes = std::size_t{8} << 20;

class Catalog {
 public:
  // Connects. kUnsupported where the schema is not this program's: `Migrate` makes an older one right, a newer one is
  // refused. With `migrate` an older or empty one is brought up to date first.
  static Result<std::unique_ptr<Catalog>> Open(const DatabaseUrl& url, const CatalogOptions& options = {},
                                               bool migrate = false);
  ~Catalog();
  Catalog(const Catalog&) = delete;
  Catalog& operator=(const Catalog&) = delete;

  // Stores a new image; its version becomes 1. kExists; kInvalid, kLimit where it is too large, as for every change.
  Result<ImageRecord> Insert(ImageRecord image);
  // kNotFound; also for a deleted one unless `with_deleted`.
  Result<ImageRecord> Find(std::string_view id, bool with_deleted = false);
  // Replaces the whole record, tags, locations and properties included, if its version is still the one that `image`
  // has; the stored version is one more, and `updated` is as `image` has it. kConflict where somebody was faster, or
  // where the status would make a move that is none (MayMove); kNotFound.
  Result<ImageRecord> Update(ImageRecord image);
  // Lets `change` change what is stored and keeps that, while all others wait: nobody is faster. Called again where the
  // database gave the transaction up; it must not call the catalog. An error of `change` ends it and is returned.
  // kNotFound, also for a deleted one; kConflict where the status would make a move that is none.
  Result<ImageRecord> Change(std::string_view id, const std::function<Result<>(ImageRecord&)>& change);
  // kNotFound where the marker is not visible to the viewer; kInvalid, also for over 500 values of one filter and for
  // more than kMostConditions. A page ends early, up to 63 records behind the one with which the bulk (BulkOf) of all
  // of them reaches kMostPageBytes.
  Result<std::vector<ImageRecord>> List(const ImageQuery& query);

  // kExists, kNotFound (the image).
  Result<Member> AddMember(Member member);
  Result<Member> FindMember(std::string_view image, std::string_view project);
  Result<std::vector<Member>> ListMembers(std::string_view image);
  Result<Member> SetMemberStatus(std::string_view image, std::string_view project, MemberStatus status);
  Result<> RemoveMember(std::string_view image, std::string_view project);

  Result<> InsertTask(const TaskRecord& task);
  Result<TaskRecord> FindTask(std::string_view id);
  Result<> UpdateTask(const TaskRecord& task);
  Result<std::vector<TaskRecord>> ListTasks(const TaskQuery& query);

  // Of the images of that project; of those that belong to none with nullopt.
  Result<Usage> UsageOf(const std::optional<std::string>& project);
  // Images in these states, by id, behind `after`: for sweeps, which look at all of them page by page.
  Result<std::vector<ImageRecord>> InStates(const std::vector<Status>& states, std::string_view after,
                                            std::uint32_t limit);
  // Removes the records of images that were deleted before then, at most `limit`: how many.
  Result<std::uint64_t> Purge(Instant before, std::uint32_t limit);
  // Removes tasks that expired before then, at most `limit`: how many.
  Result<std::uint64_t> PurgeTasks(Instant before, std::uint32_t limit);
  // Asks the database for nothing but an answer.
  Result<> Ping();

  // For tests and operators: what the database would do for List(query), or ListTasks(query), as its EXPLAIN says, a
  // line each.
  Result<std::vector<std::string>> Explain(const ImageQuery& query);
  Result<std::vector<std::string>> Explain(const TaskQuery& query);

 private:
  class Pool;
  explicit Catalog(std::unique_ptr<Pool> pool);
  std::unique_ptr<Pool> pool_;
  std::unique_ptr<RecordCache> cache_;
};

// The schema's version in a database, and what would change it.
struct SchemaState {
  std::uint32_t found = 0;   // 0: empty
  std::uint32_t wanted = 0;  // this program's
};
Result<SchemaState> ReadSchemaState(const DatabaseUrl& url);
// Brings the schema up to date, step by step, each a transaction where the engine can; `report` gets a line for each.
// Nothing happens where it is up to date. kUnsupported where it is newer than this program, or where tables of another
// program, such as Glance's, have the names of ours. Two at once are safe.
Result<SchemaState> Migrate(const DatabaseUrl& url, const std::function<void(std::string_view)>& report);

}  // namespace platter::registry
