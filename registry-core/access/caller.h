// Caller: who makes a request, and what Glance's default policies let them do.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "formats/core/result.h"
#include "registry-core/model/image_record.h"

namespace platter::registry {

struct Caller {
  std::string user;                    // id; "" where nobody is known (no authentication)
  std::optional<std::string> project;  // id
  std::vector<std::string> roles;      // lower case
  bool admin = false;                  // has the role admin
  std::string request_id;              // "req-..."

  bool HasRole(std::string_view role) const noexcept;
};

}  // namespace platter::registry
