// libvhdi's reading of an image (VHD and VHDX): a second opinion beside qemu's.
#pragma once

#include <string>
#include <vector>

namespace platter::test {

// SHA-256 of the guest disk as libvhdi reads it, in hexadecimal; "" and a test failure when it cannot. `chain`: the
// image, its parent, and so on; libvhdi checks that each is the one that the image above it names.
std::string Sha256ByLibvhdi(const std::vector<std::string>& chain);

}  // namespace platter::test
