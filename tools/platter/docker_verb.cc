#include "tools/platter/docker_verb.h"

#include <fmt/format.h>

#include "tools/platter/argument_parser.h"
#include "tools/platter/message.h"

namespace platter::cli {

int RunDocker(const Invocation& call) {
  const std::string_view job = call.words.size() > 1 ? call.words[1] : "";
  Invocation inner{call.persona, call.verb, call.words};
  if (!job.empty()) inner.words = call.words.subspan(1);
  if (job == "flatten") return RunDockerFlatten(inner);
  if (job == "wrap") return RunDockerWrap(inner);
  ArgumentParser parser(call, "", {});
  if (parser.Next() || parser.exit_code()) return parser.exit_code().value_or(1);
  return ComplainUsage(call.persona, job.empty() ? "Expecting what to do: flatten or wrap"
                                                 : fmt::format("'{}' is not what docker does: flatten or wrap", job));
}

}  // namespace platter::cli
