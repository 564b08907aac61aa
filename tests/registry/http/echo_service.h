// A service that says what it was asked, for tests of the server.
//   GET    /echo        the request as the service got it, a line for each part
//   PUT    /echo        the body, in a line with its size
//   PUT    /sum         the size of the body, counted while it arrives
//   PUT    /early/N     409 once N bytes have come
//   PUT    /refused     403 before the body
//   PUT    /slow        as /sum, and every Feed takes 100 ms
//   PUT    /long        as /sum, takes long, and finishes after Release(); /long/NAME: that one's
//   PUT    /held        the same, and takes its first byte after Release()
//   GET    /file        the service's file, as far as Range ("bytes=FIRST-LAST") asks; ?read: without its descriptor
//   GET    /letters/N   so many
//   GET    /apart       "apart", on a thread of its own
//   GET    /wait        after Release()
#pragma once

#include <atomic>
#include <condition_variable>
#include <mutex>
#include <string>

#include "tools/platterd/http/exchange.h"

namespace platter::test {

class EchoService : public http::Service {
 public:
  http::Answer Begin(http::Request request) override;
  bool IsApart(const http::Request& request) const override;

  void Release();
  // Returns after Release().
  void Wait();
  std::string file;                // a path
  std::atomic<int> broken_off{0};  // bodies that ended without Finish
  std::atomic<int> waiting{0};
  std::atomic<int> begun{0};

 private:
  std::mutex mutex_;
  std::condition_variable released_;
  bool free_ = false;
};

}  // namespace platter::test
