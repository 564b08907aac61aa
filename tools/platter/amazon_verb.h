// platter amazon: a disk to ami, aki and ari, and back.
#pragma once

#include "tools/platter/verb.h"

namespace platter::cli {

// `call.words`: from the word "split" or "join" on.
int RunAmazonSplit(const Invocation& call);
int RunAmazonJoin(const Invocation& call);

}  // namespace platter::cli
