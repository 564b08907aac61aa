#include "registry-core/access/access.h"

#include <fmt/format.h>

#include <algorithm>

namespace platter::registry {
namespace {

Error Forbidden(std::string what) { return Error(ErrorKind::kDenied, std::move(what)); }

Error Disallowed() { return Forbidden("You are not authorized to complete this action."); }

// The caller's roles are enough to write.
bool MayWrite(const AccessRules& rules, const Caller& caller) noexcept {
  return caller.admin || !rules.new_defaults || caller.HasRole("member");
}

bool Owns(const Caller& caller, const ImageRecord& image) noexcept {
  return image.owner && caller.project && *image.owner == *caller.project;
}

}  // namespace

bool Caller::HasRole(std::string_view role) const noexcept { return std::ranges::find(roles, role) != roles.end(); }

bool MaySee(const Caller& caller, const ImageRecord& image, bool shared_with) noexcept {
  if (caller.admin || !image.owner || Owns(caller, image)) return true;
  switch (image.visibility) {
    case Visibility::kPublic:
    case Visibility::kCommunity:
      return true;
    case Visibility::kShared:
      return shared_with;
    case Visibility::kPrivate:
      return false;
  }
  return false;
}

Result<> MayRead(const AccessRules& rules, const Caller& caller) {
  if (caller.admin || !rules.new_defaults || caller.HasRole("reader") || caller.HasRole("member")) return Done{};
  return Disallowed();
}

Result<> MayCreate(const AccessRules& rules, const Caller& caller, const ImageRecord& image) {
  if (!MayWrite(rules, caller)) return Disallowed();
  // What nobody owns everybody sees: who has no project may not make it.
  if (!caller.admin && (!image.owner || image.owner != caller.project)) {
    return Forbidden(
        fmt::format("You are not permitted to create images owned by '{}'.", image.owner.value_or("None")));
  }
  return MaySetVisibility(rules, caller, image.visibility);
}

Result<> MayModify(const AccessRules& rules, const Caller& caller, const ImageRecord& image) {
  if (caller.admin) return Done{};
  if (!Owns(caller, image)) return Forbidden("You do not own this image");
  if (!MayWrite(rules, caller)) return Disallowed();
  return Done{};
}

Result<> MayRemoveLocation(const AccessRules& rules, const Caller& caller, const ImageRecord& image) {
  if (rules.new_defaults && !caller.admin) return Disallowed();
  return MayModify(rules, caller, image);
}

Result<> MayAnswerShare(const AccessRules& rules, const Caller& caller) {
  if (!MayWrite(rules, caller)) return Disallowed();
  return Done{};
}

Result<> MaySetVisibility(const AccessRules& rules, const Caller& caller, Visibility visibility) {
  if (visibility == Visibility::kPublic && !caller.admin) return Disallowed();
  if (visibility == Visibility::kCommunity && !MayWrite(rules, caller)) return Disallowed();
  return Done{};
}

Result<> MayDownload(const AccessRules& rules, const Caller& caller, const ImageRecord& image) {
  if (image.status == Status::kDeactivated && !caller.admin) {
    return Forbidden("The requested image has been deactivated. Image data download is forbidden.");
  }
  if (!MayWrite(rules, caller)) return Disallowed();
  return Done{};
}

Result<> MayAdminister(const Caller& caller) {
  if (caller.admin) return Done{};
  return Disallowed();
}

}  // namespace platter::registry
