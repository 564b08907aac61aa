#include "tools/platter-hook/answer.h"

#include "formats/inspect/report_json.h"

namespace platter::hook {

std::string Answer(const inspect::Report& report, const Sandbox& sandbox) {
  return inspect::ToJsonObject(report).Json("sandbox", sandbox.ToJson()).Finish() + '\n';
}

std::string UndecidedAnswer(std::string_view error, const Sandbox* sandbox) {
  JsonObject json = inspect::ToJsonObject({});
  json.Json("sandbox", sandbox == nullptr ? "null" : sandbox->ToJson());
  return json.Text("error", error).Finish() + '\n';
}

}  // namespace platter::hook
