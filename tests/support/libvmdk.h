// libvmdk's reading of an image: a second opinion beside qemu's.
#pragma once

#include <string>

namespace platter::test {

// SHA-256 of the guest disk as libvmdk reads it, in hexadecimal; "" and a test failure when it cannot.
std::string Sha256ByLibvmdk(const std::string& path);

}  // namespace platter::test
