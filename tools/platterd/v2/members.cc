#include <fmt/format.h>

#include <utility>
#include <vector>

#include "formats/core/json.h"
#include "registry-core/access/access.h"
#include "tools/platterd/api/image_view.h"
#include "tools/platterd/v2/handlers.h"

namespace platter::platterd {
namespace {

namespace json = boost::json;
using registry::ImageRecord;
using registry::Member;

bool Owns(const Call& call, const ImageRecord& image) noexcept {
  return call.caller.admin || (call.caller.project && image.owner == call.caller.project);
}

// The image whose members are asked for; `doing` is for the refusal: "create members for".
Result<ImageRecord> SharedImage(const Backend& backend, const Call& call, std::string_view doing) {
  const std::string& id = call.parameters[0];
  auto found = VisibleImage(backend, call.caller, id);
  if (!found.ok() && found.error().kind() == ErrorKind::kNotFound) {
    return NotFound(fmt::format("Image {} not found.", id));
  }
  ImageRecord image = PLATTER_TRY(std::move(found));
  if (image.visibility != registry::Visibility::kShared) {
    return Forbidden(fmt::format("Not allowed to {} image {}: Only shared images have members.", doing, id));
  }
  return image;
}

Error NoSuchMember(const Call& call) {
  return NotFound(
      fmt::format("{} not found in the member list of the image {}.", call.parameters[1], call.parameters[0]));
}

// A member that the caller may see: owners see all, others themselves.
Result<Member> VisibleMember(const Backend& backend, const Call& call, const ImageRecord& image) {
  const std::string& project = call.parameters[1];
  if (!Owns(call, image) && call.caller.project != project) return NoSuchMember(call);
  auto member = backend.catalog().FindMember(image.id, project);
  if (!member.ok() && member.error().kind() == ErrorKind::kNotFound) return NoSuchMember(call);
  return member;
}

// The text of a member that the body must have.
Result<std::string> MemberOf(std::string_view body, std::string_view name, std::string_view missing,
                             std::string_view wrong) {
  const json::object document = PLATTER_TRY(ParseObject(body));
  const json::value* value = document.if_contains({name.data(), name.size()});
  if (value == nullptr) return Invalid(std::string(missing));
  if (!value->is_string() || value->get_string().empty()) return Invalid(std::string(wrong));
  return std::string(value->get_string());
}

}  // namespace

Reply ListMembers(const Backend& backend, const Call& call) {
  const ImageRecord image = PLATTER_TRY(SharedImage(backend, call, "list members for"));
  std::vector<std::string> members;
  for (const Member& member : PLATTER_TRY(backend.catalog().ListMembers(image.id))) {
    if (Owns(call, image) || call.caller.project == member.project) members.push_back(MemberJson(member));
  }
  return JsonResponse(200,
                      JsonObject().Json("members", JsonList(members)).Text("schema", "/v2/schemas/members").Finish());
}

Reply AddMember(const Backend& backend, const Call& call, const std::string& body) {
  const std::string& id = call.parameters[0];
  Member member;
  member.project = PLATTER_TRY(MemberOf(body, "member", "Member to be added not specified", "Member can't be empty"));
  if (member.project.size() > 255) return Invalid("Member id must be 255 characters or less");
  const ImageRecord image = PLATTER_TRY(SharedImage(backend, call, "create members for"));
  if (!registry::MayModify(backend.options.access, call.caller, image).ok()) {
    return Forbidden(fmt::format("Not allowed to create members for image {}.", id));
  }
  const std::size_t count = PLATTER_TRY(backend.catalog().ListMembers(id)).size() + 1;
  if (count > backend.options.member_quota) {
    return Error(ErrorKind::kLimit,
                 fmt::format("Image member limit exceeded for image {}: The maximum number of members has been "
                             "exceeded. Attempted: {}, Maximum: {}",
                             id, count, backend.options.member_quota));
  }
  const std::string project = member.project;
  member.image = id;
  member.created = member.updated = registry::Now();
  auto added = backend.catalog().AddMember(std::move(member));
  if (!added.ok() && added.error().kind() == ErrorKind::kExists) {
    return Conflict(fmt::format("Member {} is duplicated for image {}", project, id));
  }
  return JsonResponse(200, MemberJson(PLATTER_TRY(std::move(added))));
}

Reply ShowMember(const Backend& backend, const Call& call) {
  auto image = SharedImage(backend, call, "list members for");
  // Whether an image is shared is nobody's business who asks for one of its members.
  if (!image.ok() && image.error().kind() == ErrorKind::kDenied) return NoSuchMember(call);
  const ImageRecord shared = PLATTER_TRY(std::move(image));
  const Member member = PLATTER_TRY(VisibleMember(backend, call, shared));
  return JsonResponse(200, MemberJson(member));
}

Reply SetMemberStatus(const Backend& backend, const Call& call, const std::string& body) {
  const std::string text = PLATTER_TRY(MemberOf(body, "status", "Status not specified",
                                                "Expected a status in the form: {\"status\": "
                                                "\"status\"}"));
  const auto status = registry::FindMemberStatus(text);
  if (!status) {
    return Invalid("Incorrect request: Status must be \"pending\", \"accepted\" or \"rejected\".");
  }
  const ImageRecord image = PLATTER_TRY(SharedImage(backend, call, "update members for"));
  // Owners share, and only whom an image is shared with says what becomes of it.
  const bool owner = call.caller.project && image.owner == call.caller.project;
  if (owner && !call.caller.admin) {
    return Forbidden(fmt::format("Not allowed to update members for image {}.", image.id));
  }
  const Member member = PLATTER_TRY(VisibleMember(backend, call, image));
  PLATTER_CHECK(registry::MayAnswerShare(backend.options.access, call.caller));
  auto changed = backend.catalog().SetMemberStatus(image.id, member.project, *status);
  if (!changed.ok() && changed.error().kind() == ErrorKind::kNotFound) return NoSuchMember(call);
  return JsonResponse(200, MemberJson(PLATTER_TRY(std::move(changed))));
}

Reply RemoveMember(const Backend& backend, const Call& call) {
  const ImageRecord image = PLATTER_TRY(SharedImage(backend, call, "delete members for"));
  if (!registry::MayModify(backend.options.access, call.caller, image).ok()) {
    return Forbidden(fmt::format("Not allowed to delete members for image {}.", image.id));
  }
  auto removed = backend.catalog().RemoveMember(image.id, call.parameters[1]);
  if (!removed.ok() && removed.error().kind() == ErrorKind::kNotFound) return NoSuchMember(call);
  PLATTER_CHECK(std::move(removed));
  return EmptyResponse(204);
}

}  // namespace platter::platterd
