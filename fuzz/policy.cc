// Policy files, and single values as a command line gives them.
#include "formats/inspect/policy.h"

#include <string>

#include "fuzz/support/harness.h"
#include "fuzz/support/input_reader.h"
#include "fuzz/support/promise.h"

namespace platter::fuzz {

void TestOneInput(std::span<const std::uint8_t> input) {
  const std::string text(InputReader(input).Text());
  (void)inspect::CanonicalFormat(text);
  inspect::Policy policy;
  const auto read = inspect::ReadPolicy(text, policy);
  if (!read.ok()) Told(read.error());
  if (read.ok()) Promise(inspect::ReadPolicy(text, policy).ok(), "what is accepted once is accepted again");
  const std::size_t sign = text.find('=');
  if (sign == std::string::npos) return;
  const auto set = inspect::SetPolicyValue(policy, text.substr(0, sign), text.substr(sign + 1));
  if (!set.ok()) Told(set.error());
}

}  // namespace platter::fuzz
