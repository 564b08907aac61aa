// Findings of docker archives: their codes, and how they are made.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "formats/core/finding.h"

namespace platter::docker {

inline constexpr std::array kFindingRules = {
    FindingRule{"file name", "", "name", Concern::kReference, "CVE-2007-4559"},
    FindingRule{"oci-layout", "", "layout", Concern::kCorrupt, ""},
    FindingRule{"manifest.json", "", "manifest", Concern::kCorrupt, ""},
    FindingRule{"image index", "", "index", Concern::kCorrupt, ""},
    FindingRule{"image manifest", "", "manifest", Concern::kCorrupt, ""},
    FindingRule{"image config", "", "config", Concern::kCorrupt, ""},
    FindingRule{"layer", "file", "missing_layer", Concern::kCorrupt, ""},
    FindingRule{"layer", "compression", "layer_compression", Concern::kCorrupt, ""},
    FindingRule{"layer", "unpacked size", "layer_bomb", Concern::kSize, ""},
    FindingRule{"layer", "digest", "layer_digest", Concern::kCorrupt, ""},
    FindingRule{"layer", "diff_id", "layer_diff_id", Concern::kCorrupt, ""},
    FindingRule{"tar header", "", "member", Concern::kCorrupt, ""},
};

// Of the tar in a layer.
inline constexpr std::array kLayerFindingRules = {
    FindingRule{"tar header", "size", "layer_size", Concern::kTruncated, ""},
    FindingRule{"layer", "", "layer_tar", Concern::kCorrupt, ""},
    FindingRule{"", "", "layer_header", Concern::kCorrupt, ""},
};

// kNone makes a warning.
Finding MakeFinding(std::string code, Concern concern, std::string message, std::string value = "");

}  // namespace platter::docker
