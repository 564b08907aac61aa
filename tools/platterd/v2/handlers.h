// The handlers of the image API's routes, one folder-mate file for each kind of resource. What each answers is in the
// table of routes (routes.cc).
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "tools/platterd/api/image_changes.h"
#include "tools/platterd/v2/call.h"

namespace platter::platterd {

using Consumer = Result<std::unique_ptr<http::BodyConsumer>>;

// images.cc
Reply CreateImage(const Backend& backend, const Call& call, const std::string& body);
Reply ListImages(const Backend& backend, const Call& call);
Reply ShowImage(const Backend& backend, const Call& call);
Reply ChangeImage(const Backend& backend, const Call& call, const std::string& body);
Reply DeleteImage(const Backend& backend, const Call& call);
Reply DeleteFromStore(const Backend& backend, const Call& call);

// locations.cc: what a patch wants of an image's locations. Requires: all changes are about those.
Reply ChangeLocations(const Backend& backend, const Call& call, registry::ImageRecord image,
                      const std::vector<PatchChange>& changes);

// image_data.cc
Reply DownloadImage(const Backend& backend, const Call& call);
Consumer UploadImage(const Backend& backend, const Call& call);
Consumer StageImage(const Backend& backend, const Call& call);

// actions.cc
Reply Deactivate(const Backend& backend, const Call& call);
Reply Reactivate(const Backend& backend, const Call& call);
Reply AddTag(const Backend& backend, const Call& call);
Reply RemoveTag(const Backend& backend, const Call& call);
Reply ImportImage(const Backend& backend, const Call& call, const std::string& body);

// members.cc
Reply ListMembers(const Backend& backend, const Call& call);
Reply AddMember(const Backend& backend, const Call& call, const std::string& body);
Reply ShowMember(const Backend& backend, const Call& call);
Reply SetMemberStatus(const Backend& backend, const Call& call, const std::string& body);
Reply RemoveMember(const Backend& backend, const Call& call);

// tasks.cc
Reply ListImageTasks(const Backend& backend, const Call& call);
Reply ListTasks(const Backend& backend, const Call& call);
Reply ShowTask(const Backend& backend, const Call& call);

// discovery.cc
Reply ShowSchema(const Backend& backend, const Call& call);
Reply ShowImportMethods(const Backend& backend, const Call& call);
Reply ShowStores(const Backend& backend, const Call& call);
Reply ShowStoresInDetail(const Backend& backend, const Call& call);
Reply ShowUsage(const Backend& backend, const Call& call);
// Which versions there are; `base`: how clients reach the service.
std::string VersionsDocument(const ApiOptions& options, std::string_view base);
// Whether the first part of a path names one of them: "v2", "v2.7".
bool IsVersion(const ApiOptions& options, std::string_view segment);

}  // namespace platter::platterd
