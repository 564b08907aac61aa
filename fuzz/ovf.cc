// The texts of an appliance: descriptor, manifest, certificate, units and names. The first byte chooses.
#include <algorithm>
#include <string_view>

#include "formats/containers/ovf/certificate.h"
#include "formats/containers/ovf/descriptor.h"
#include "formats/containers/ovf/manifest.h"
#include "formats/containers/ovf/package.h"
#include "formats/containers/ovf/units.h"
#include "fuzz/support/harness.h"
#include "fuzz/support/image_walk.h"
#include "fuzz/support/promise.h"

namespace platter::fuzz {
namespace {

void ReadDescriptor(std::span<const std::byte> text) {
  (void)ovf::LooksLikeDescriptor(text);
  const auto parsed = ovf::ParseDescriptor(text, SmallLimits());
  if (!parsed.ok()) return Told(parsed.error());
  const ovf::Descriptor& descriptor = parsed.value();
  for (const ovf::Disk& disk : descriptor.disks) {
    Promise(disk.file.empty() || descriptor.FindFile(disk.file) != nullptr, "a disk's file is among the references");
    const auto is_parent = [&](const ovf::Disk& other) { return other.id == disk.parent; };
    Promise(disk.parent.empty() || std::ranges::any_of(descriptor.disks, is_parent),
            "a disk's parent is among the disks");
    Promise(!disk.capacity || *disk.capacity <= INT64_MAX, "a capacity has 63 bits");
    Promise(!disk.capacity || disk.populated_size.value_or(0) <= *disk.capacity, "a disk holds what it can");
    const auto file = ovf::FileOfDisk(descriptor, disk);
    if (!file.ok()) Told(file.error());
  }
  Promise(ovf::WrappedDisks(descriptor).size() == descriptor.disks.size(), "every disk is told");
  (void)ovf::DetailOf(descriptor);
  std::vector<Finding> findings;
  ovf::JudgeDescriptor(descriptor, findings);
  for (const Finding& finding : findings) Promise(!finding.message.empty(), "a finding says what it is");
}

void ReadManifest(std::span<const std::byte> text) {
  const auto parsed = ovf::ParseManifest(text);
  if (!parsed.ok()) return Told(parsed.error());
  for (const ovf::ManifestEntry& entry : parsed.value()) {
    Promise(!entry.file.empty() && entry.digest.size() >= 40, "an entry has a name and a digest");
  }
}

void ReadCertificate(std::span<const std::byte> text) {
  const auto parsed = ovf::ParseCertificate(text);
  if (!parsed.ok()) return Told(parsed.error());
  Promise(!parsed.value().signature.empty() && !parsed.value().x509.empty(), "a certificate has both of its parts");
  const auto signer = ovf::VerifySignature(parsed.value(), text);
  if (!signer.ok()) Told(signer.error());
}

void ReadWords(std::string_view text) {
  const auto unit = ovf::ParseUnit(text);
  Promise(!unit || *unit <= INT64_MAX, "a unit has 63 bits");
  const auto name = ovf::FileNameOf(text);
  if (!name.ok()) return Told(name.error());
  Promise(name.value().find_first_of(std::string_view("/\\\0", 3)) == std::string::npos && name.value() != "..",
          "a name stays in its folder", name.value());
}

}  // namespace

void TestOneInput(std::span<const std::uint8_t> input) {
  if (input.empty()) return;
  const auto text = std::as_bytes(input.subspan(1));
  switch (input.front() % 4) {
    case 0:
      return ReadDescriptor(text);
    case 1:
      return ReadManifest(text);
    case 3:
      return ReadCertificate(text);
    default:
      return ReadWords({reinterpret_cast<const char*>(text.data()), text.size()});
  }
}

}  // namespace platter::fuzz
