#include "tools/platter/amazon_verb.h"

#include <fmt/format.h>

#include "tools/platter/argument_parser.h"
#include "tools/platter/message.h"

namespace platter::cli {

int RunAmazon(const Invocation& call) {
  const std::string_view job = call.words.size() > 1 ? call.words[1] : "";
  Invocation inner{call.persona, call.verb, call.words};
  if (!job.empty()) inner.words = call.words.subspan(1);
  if (job == "split") return RunAmazonSplit(inner);
  if (job == "join") return RunAmazonJoin(inner);
  ArgumentParser parser(call, "", {});
  if (parser.Next() || parser.exit_code()) return parser.exit_code().value_or(1);
  return ComplainUsage(call.persona, job.empty() ? "Expecting what to do: split or join"
                                                 : fmt::format("'{}' is not what amazon does: split or join", job));
}

}  // namespace platter::cli
