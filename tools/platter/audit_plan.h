// What an audit is to verify: the files that digest lists name.
#pragma once

#include <cstddef>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "convert/hash/audit.h"

namespace platter::cli {

struct AuditRequest {
  std::span<const std::string> operands;     // folders and lists
  std::string folder;                        // what names in a list of `operands` are relative to; "" = the current one
  std::optional<DigestAlgorithm> algorithm;  // of lines that do not name theirs; empty: by the list's name, or length
  std::string state;                         // a file that is part of no store; "" for none
  bool each_line = false;                    // complain of every line that makes no sense
};

struct AuditPlan {
  std::vector<AuditedFile> files;     // each once, however many lists name it
  std::vector<std::string> unlisted;  // files in the folders that no list names
  std::size_t lists = 0;
  std::size_t wrong_lines = 0;
  std::size_t unreadable = 0;  // lists and folders
};

// Reads the lists, and looks for them in the folders, and below, without following links: files that are named as
// sha256sum's lists are (SHA256SUMS, CHECKSUM, disk.img.sha256). Names in a list that was found so are relative to the
// folder it lies in. `complain` is told of what cannot be read, of lists that make no sense and of folders without any.
AuditPlan PlanAudit(const AuditRequest& request, const std::function<void(std::string_view text)>& complain);

}  // namespace platter::cli
