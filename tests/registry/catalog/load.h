// Clients of a catalog that goes away and comes back: each changes images of its own and knows what it was promised.
#pragma once

#include <atomic>
#include <string>
#include <thread>
#include <vector>

#include "registry-core/catalog/catalog.h"

namespace platter::registry {

// A record whose parts all say the same number; whether it is such a one.
void Stamp(ImageRecord& image, int number);
bool IsWhole(const ImageRecord& image);

class Load {
 public:
  // Makes an image for each client and starts them.
  Load(Catalog& catalog, int clients);
  ~Load();
  Load(const Load&) = delete;
  Load& operator=(const Load&) = delete;

  // Waits until every client has made so many more changes that were acknowledged.
  void AwaitChanges(int each);
  // Waits until somebody has been told of an error.
  void AwaitError();
  // Ends the clients, and looks at what is stored: every change that was acknowledged, none that was not begun, and
  // every record whole. Test failures.
  void EndAndCheck();

 private:
  struct Client {
    std::string id;
    std::atomic<int> changes = 0;  // acknowledged
    std::atomic<int> errors = 0;   // after which nobody knows whether the change was made
    std::string wrong;             // an error that is no kIo
    std::jthread thread;
  };
  void Work(Client& client) const;
  void End();

  Catalog& catalog_;
  std::atomic<bool> ended_ = false;
  std::vector<std::unique_ptr<Client>> clients_;
};

}  // namespace platter::registry
