// Imports: images whose bytes were staged, or lie somewhere on the web, get them in the background.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <string>

#include "formats/core/result.h"
#include "registry-core/ingest/byte_source.h"
#include "registry-core/ingest/staging.h"
#include "registry-core/ingest/upload.h"

namespace platter::registry {

enum class ImportMethod : std::uint8_t {
  kStaged,  // "glance-direct": from the staging area
  kWeb,     // "web-download": from a URL
};

struct ImportRequest {
  std::string image;  // id
  ImportMethod method = ImportMethod::kStaged;
  std::string url;  // kWeb
  UploadTargets targets;
  // For the task's record: who asks (ids), in which request, and what was asked for, as JSON.
  std::string owner, user, request, input;
};

// Each method has threads and a queue of its own: what is staged does not wait for servers of others. Next comes the
// import whose owner has fewest running, the oldest of these. Of web-downloads, whose servers may take their time, no
// owner has more than half of those that run, and of either method no more than a quarter of those that wait; one at
// least.
struct ImportOptions {
  unsigned at_once = 2;        // imports that run, of each method; others wait
  std::size_t waiting = 1000;  // that may wait, of each method
  // Opens a URL. `cancelled` is asked now and then, by the thread that reads; true: end soon with kCancelled.
  std::function<Result<std::unique_ptr<ByteSource>>(const std::string& url, std::function<bool()> cancelled)> fetch;
  // Told what came of an import, for metrics and logs: the error, or null for success. Called by any thread. The task's
  // message says, too, where its record could not be changed.
  std::function<void(const TaskRecord& task, const Error* error)> observe;
};

// Thread-safe. An image in importing has a sign of life in the staging area (see sweep.h) from before its record says
// so.
class Imports {
 public:
  // What is passed outlives it.
  Imports(const IngestContext& context, const StagingArea& staging, ImportOptions options);
  // Ends what runs and what waits: those images go back to queued, what was staged for them is removed, and their tasks
  // have failed.
  ~Imports();
  Imports(const Imports&) = delete;
  Imports& operator=(const Imports&) = delete;

  // Moves the image into importing and goes on in the background: an Upload of its bytes, after which what was staged
  // is removed. The task as it was stored. Later it is "success", or "failure" with the reason as its message, and the
  // image back in queued. kNotFound; kConflict: the image is not in the state for this method; kInvalid: an unknown
  // store; kLimit: too many wait, of all or of this owner; kIo.
  Result<TaskRecord> Start(ImportRequest request);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace platter::registry
