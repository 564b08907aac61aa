// What an upload's inspection means for it.
#pragma once

#include <cstdint>
#include <memory>
#include <new>
#include <string>

#include "formats/core/result.h"
#include "formats/core/storage.h"
#include "formats/inspect/inspector.h"
#include "registry-core/ingest/upload.h"
#include "registry-core/model/image_record.h"

namespace platter::registry {

// The error for an image that cannot be unpacked now, and can be later: kIo, ENOMEM.
Error NoMemoryNow();

// What `step` answers, or NoMemoryNow where it finds no memory.
template <class Step>
auto WithinMemory(Step step) -> decltype(step()) {
  try {
    return step();
  } catch (const std::bad_alloc&) {
    return NoMemoryNow();
  }
}

// What a record declares, in the policy's words.
inspect::Policy PolicyFor(const IngestRules& rules, const ImageRecord& image);

// `report`, judged again where a mismatch of declared and found is no reason to refuse: where the rules say so, and
// where a bare image has no bytes.
inspect::Report Rejudged(inspect::Report report, const IngestRules& rules, const inspect::Policy& policy, bool whole);

// The error for a report that is refused, or at the end undecided, and what decided.
Error RefusalOf(inspect::Report report, const inspect::Policy& policy, Refusal& refusal);

}  // namespace platter::registry
