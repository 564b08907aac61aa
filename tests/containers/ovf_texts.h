// OVF descriptors as products write them.
#pragma once

#include <string>

namespace platter::test {

struct OvfParts {
  std::string references;
  std::string disks;
  std::string more = "";  // sections behind them
};

// As VMware's tools have it: prefixed attributes, the default namespace.
std::string VmwareOvf(const OvfParts& parts);
// One disk in a file, `capacity` of `units`.
std::string OneDiskOvf(const std::string& file, const std::string& capacity, const std::string& units = "",
                       const std::string& format = "http://www.vmware.com/interfaces/specifications/vmdk.html");

// A whole appliance each: two processors, 1 GiB of memory, a disk of 8 GiB.
extern const char* const kVmwareText;
extern const char* const kVirtualBoxText;
extern const char* const kVersion2Text;
extern const char* const kVersion09Text;

}  // namespace platter::test
