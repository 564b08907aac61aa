// An appliance in any packing: the descriptor, and the files beside it, in a folder (ovf) or in an archive (ova).
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "formats/containers/container.h"
#include "formats/containers/ovf/descriptor.h"
#include "formats/core/detail.h"

namespace platter::ovf {

// The disks as every container tells them. `stored_size` is the reference's.
std::vector<WrappedDisk> WrappedDisks(const Descriptor& descriptor);
// What info says of the appliance: "ovf-version", "systems", "networks", "products", "licenses".
Detail DetailOf(const Descriptor& descriptor);

// Why the disk's bytes cannot be read; Done where they can. kUnsupported for a disk that starts empty, and for files in
// an unknown compression.
Result<> CheckReadable(const Descriptor& descriptor, const Disk& disk);
// The name of the file that holds it, or with which the names of its chunks begin. As CheckReadable and FileNameOf.
Result<std::string> FileOfDisk(const Descriptor& descriptor, const Disk& disk);

// The bytes of the disk's file, where they are compressed what they unpack to. As codec::UnpackedStorage::Make.
Result<std::shared_ptr<Storage>> Decompressed(std::shared_ptr<Storage> stored, const WrappedDisk& disk);

// What is unsafe or unusual in the descriptor alone: codes ovf.*.
void JudgeDescriptor(const Descriptor& descriptor, std::vector<Finding>& findings);

inline constexpr std::array kFindingRules = {
    FindingRule{"OVF descriptor", "File/@href", "href", Concern::kReference, ""},
    FindingRule{"OVF descriptor", "File/@chunkSize", "chunk", Concern::kCorrupt, ""},
    FindingRule{"OVF descriptor", "", "descriptor", Concern::kCorrupt, ""},
    FindingRule{"OVF manifest", "", "manifest", Concern::kCorrupt, ""},
    FindingRule{"OVF certificate", "signature", "signature", Concern::kCorrupt, ""},
    FindingRule{"OVF certificate", "", "certificate", Concern::kCorrupt, ""},
};

// Adds a finding; kNone makes a warning.
Finding& AddFinding(std::vector<Finding>& findings, std::string code, Concern concern, std::string message,
                    std::string value = "");

}  // namespace platter::ovf
