// Turns: calls that wait for the same threads, so that no owner of calls has all of these.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <mutex>
#include <string>

namespace platter::http {

// Thread-safe. Each Add is followed by a Run, on any thread.
class Turns {
 public:
  // `share`: calls of one owner that run at a time; of the owner "" any number.
  explicit Turns(unsigned share) noexcept : share_(share) {}

  // `call` throws nothing.
  void Add(std::string owner, std::function<void()> call);
  // Runs calls until none may run: next comes the one whose owner has fewest running, the oldest of these. One whose
  // owner has its share already is run by whoever runs those.
  void Run();

 private:
  struct Waiting {
    std::string owner;
    std::function<void()> call;
  };

  std::deque<Waiting>::iterator Next();

  const unsigned share_;
  std::mutex mutex_;
  std::deque<Waiting> waiting_;
  std::map<std::string, unsigned> running_;  // by owner; those that have some
};

}  // namespace platter::http
