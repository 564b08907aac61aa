// OVAs to be inspected: as tools write them, and as a forger would.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "tests/inspect/samples.h"

namespace platter::test {

struct Appliance {
  std::string name;
  std::function<Bytes()> make;
  std::string code;  // of the finding that names it
  std::string cve = "";
  std::string container = "expect_container=ova";  // policy
};

std::vector<Appliance> HostileAppliances();
// Compressed disks.
std::vector<Appliance> HostileStreams();

// An OVA of a descriptor for `disk`, of `capacity` guest bytes in the format that `uri` names, and what `more` holds:
// members, before the archive's end.
Bytes OvaOf(const Bytes& disk, const std::string& capacity, const std::string& uri, const std::string& more = "");
// With a file that is none of the disks, beside a raw disk of one sector.
Bytes OvaWithFile(const Bytes& file);
// With several disks.
Bytes OvaOfDisks(const std::vector<Bytes>& disks, const std::string& capacity, const std::string& uri);

}  // namespace platter::test
