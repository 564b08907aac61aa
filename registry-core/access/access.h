// Access: what a caller may do with an image, as Glance's default policies have it.
//
// Every function is pure. A refusal is kDenied, with the sentence that Glance gives.
#pragma once

#include "formats/core/result.h"
#include "registry-core/access/caller.h"
#include "registry-core/model/image_record.h"

namespace platter::registry {

struct AccessRules {
  // [oslo_policy] enforce_new_defaults: who writes needs the role member, who reads the role reader (member and admin
  // stand for it). Without it any role will do.
  bool new_defaults = false;
};

// A caller who may not see an image is told that there is none. `shared_with`: the image and the caller's project meet
// in a Member, whatever its status.
bool MaySee(const Caller& caller, const ImageRecord& image, bool shared_with) noexcept;

// Anything at all that reads.
Result<> MayRead(const AccessRules& rules, const Caller& caller);
// Stores a record like this one: administrators, and who owns it. Requires: its owner and visibility are set.
Result<> MayCreate(const AccessRules& rules, const Caller& caller, const ImageRecord& image);
// Changes, deletes, uploads, deactivates: administrators and owners.
Result<> MayModify(const AccessRules& rules, const Caller& caller, const ImageRecord& image);
// Takes the bytes out of one of the places where they lie: with new defaults administrators alone.
Result<> MayRemoveLocation(const AccessRules& rules, const Caller& caller, const ImageRecord& image);
// Says what becomes of a share with the caller's project.
Result<> MayAnswerShare(const AccessRules& rules, const Caller& caller);
// Gives it a visibility.
Result<> MaySetVisibility(const AccessRules& rules, const Caller& caller, Visibility visibility);
// Reads its bytes.
Result<> MayDownload(const AccessRules& rules, const Caller& caller, const ImageRecord& image);
// What only administrators do.
Result<> MayAdminister(const Caller& caller);

}  // namespace platter::registry
