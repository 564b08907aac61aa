// A network of this process's own, in which any address can be this machine's and any name can have any address. What
// happens in it leaves no trace outside. Takes root.
#pragma once

#include <string>

#include "tests/support/temp_dir.h"

namespace platter::test {

class Network {
 public:
  // For the calling thread, those that it starts and its child processes, for good: loopback, kPublic and kPrivate, all
  // on this machine; names from the hosts file alone. The same one each time it is called.
  static Network& Enter();

  static constexpr const char* kPublic = "93.184.216.34";
  static constexpr const char* kOtherPublic = "8.8.4.4";
  static constexpr const char* kPrivate = "10.1.2.3";
  static constexpr const char* kMetadata = "169.254.169.254";

  // "127.0.0.1 localhost\n...": what names mean from now on.
  void SetHosts(const std::string& lines) const;
  // example.org is at kPublic; localhost and intern.example are this machine.
  void SetUsualHosts() const;

 private:
  Network();
  const TempDir folder_;
};

}  // namespace platter::test
