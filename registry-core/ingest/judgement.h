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

// What a record says that its bytes are.
struct Declared {
  inspect::Policy policy;  // in the policy's words
  // The raw bytes of a volume that Cinder has encrypted, with a key that the record names: LUKS is what they should be,
  // and stays unseen.
  bool encrypted_volume = false;
};
Declared DeclaredBy(const IngestRules& rules, const ImageRecord& image);

// `report`, judged again where what was refused is no reason to refuse: a mismatch of declared and found, where the
// rules say so or a bare image has no bytes; LUKS in an encrypted volume, whose virtual size is then the file's.
inspect::Report Rejudged(inspect::Report report, const IngestRules& rules, const Declared& declared, bool whole);

// What a stored file is at full depth, judged like that. In an encrypted volume also what there is beside the LUKS
// header is a reason to refuse. `memory`: what its decoders share; null: no limit. The errors of `file`.
Result<inspect::Report> JudgeStored(const std::shared_ptr<Storage>& file, const IngestRules& rules,
                                    const Declared& declared, MemoryBudget* memory);

// The error for a report that is refused, or at the end undecided, and what decided.
Error RefusalOf(inspect::Report report, const inspect::Policy& policy, Refusal& refusal);

}  // namespace platter::registry
