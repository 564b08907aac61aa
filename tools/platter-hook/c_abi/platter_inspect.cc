#include "tools/platter-hook/c_abi/platter_inspect.h"

#include <optional>
#include <span>
#include <string>

#include "formats/inspect/inspector.h"
#include "formats/inspect/report_json.h"

namespace {

using namespace platter;

std::string AnswerWithout(std::string_view error) { return inspect::ToJsonObject({}).Text("error", error).Finish(); }

inspect::Options OptionsFor(const char* policy, std::string& error) {
  inspect::Options options;
  const auto read = inspect::ReadPolicy(policy == nullptr ? "" : policy, options.policy);
  if (!read.ok()) error = read.error().Describe();
  return options;
}

int CodeOf(inspect::Verdict verdict) noexcept {
  if (verdict == inspect::Verdict::kAccepted) return PLATTER_ACCEPTED;
  return verdict == inspect::Verdict::kRefused ? PLATTER_REFUSED : PLATTER_UNDECIDED;
}

}  // namespace

struct platter_inspection {
  explicit platter_inspection(const char* policy) : inspector(OptionsFor(policy, error)) {
    if (!error.empty()) answer = AnswerWithout(error);
  }

  std::string error;
  inspect::Inspector inspector;
  // Written down while there is memory for it.
  std::string out_of_memory = AnswerWithout("out of memory");
  std::string answer;  // "" while bytes may still come
  int verdict = PLATTER_UNDECIDED;
};

platter_inspection* platter_inspection_create(const char* policy) try {
  return new platter_inspection(policy);
} catch (...) {
  return nullptr;
}

int platter_inspection_feed(platter_inspection* inspection, const void* bytes, size_t size) try {
  if (!inspection->answer.empty()) return inspection->verdict;
  inspection->inspector.Feed({static_cast<const std::byte*>(bytes), size});
  return CodeOf(inspection->inspector.report().verdict);
} catch (...) {
  inspection->answer.swap(inspection->out_of_memory);
  return PLATTER_UNDECIDED;
}

int platter_inspection_verdict(platter_inspection* inspection, const char** json) try {
  if (inspection->answer.empty()) {
    const inspect::Report report = inspection->inspector.Finish();
    inspection->answer = inspect::ToJson(report);
    inspection->verdict = CodeOf(report.verdict);
  }
  if (json != nullptr) *json = inspection->answer.c_str();
  return inspection->verdict;
} catch (...) {
  inspection->answer.swap(inspection->out_of_memory);
  if (json != nullptr) *json = inspection->answer.c_str();
  return PLATTER_UNDECIDED;
}

void platter_inspection_destroy(platter_inspection* inspection) { delete inspection; }
