// The JSON object that platter-hook prints: docs/hook.md.
#pragma once

#include <string>
#include <string_view>

#include "formats/inspect/report.h"
#include "tools/platter-hook/sandbox.h"

namespace platter::hook {

// With a line end.
std::string Answer(const inspect::Report& report, const Sandbox& sandbox);
// Where there is no report. `sandbox`: null before it was entered.
std::string UndecidedAnswer(std::string_view error, const Sandbox* sandbox);

}  // namespace platter::hook
