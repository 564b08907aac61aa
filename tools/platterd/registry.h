// Registry: catalog, stores, staging area, imports and the API on them, as the configuration has it.
#pragma once

#include <memory>
#include <string>

#include "formats/core/result.h"
#include "tools/platterd/config/settings.h"
#include "tools/platterd/http/exchange.h"
#include "tools/platterd/service/log.h"
#include "tools/platterd/service/metrics.h"

namespace platter::platterd {

// kInvalid where the staging area and a store are one folder: a sweep looks at both, and an image's own bytes would be
// in the staging area what nobody waits for. Also where folders of two stores are one, or one lies in the other: by its
// URL an object has to belong to one store.
Result<> CheckFolders(const Settings& settings);

class Registry {
 public:
  // Opens the database and the stores, and puts in order what was left unfinished. `migrate`: a database that is older
  // is brought up to date; without it that is kUnsupported. All that is passed outlives the registry.
  static Result<std::unique_ptr<Registry>> Open(const Settings& settings, bool migrate, Log& log, Metrics& metrics);
  // Ends imports that run.
  ~Registry();

  http::Service& api() noexcept;
  // kIo: the database is away.
  Result<> Health();
  // From now on nothing waits for web servers of others, and no stored file is looked through.
  void GiveUp() noexcept;

 private:
  struct Parts;
  explicit Registry(std::unique_ptr<Parts> parts);
  std::unique_ptr<Parts> parts_;
};

}  // namespace platter::platterd
