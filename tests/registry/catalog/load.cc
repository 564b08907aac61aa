#include "tests/registry/catalog/load.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include <chrono>

namespace platter::registry {
namespace {

constexpr std::chrono::milliseconds kPause{5};
constexpr std::chrono::seconds kPatience{120};  // the machine may be busy with something else

template <class Condition>
void Await(const Condition& condition) {
  const auto end = std::chrono::steady_clock::now() + kPatience;
  while (!condition()) {
    ASSERT_LT(std::chrono::steady_clock::now(), end) << "nothing happens any more";
    std::this_thread::sleep_for(kPause);
  }
}

}  // namespace

void Stamp(ImageRecord& image, int number) {
  image.name = std::to_string(number);
  image.tags = {fmt::format("a{}", number), fmt::format("b{}", number)};
  image.properties = {{"number", *image.name}, {fmt::format("p{}", number), ""}};
  image.locations = {{"file:///" + *image.name, "store", {{"number", *image.name}}}};
}

bool IsWhole(const ImageRecord& image) {
  ImageRecord stamped;
  Stamp(stamped, std::stoi(image.name.value_or("-1")));
  return image.tags == stamped.tags && image.properties == stamped.properties && image.locations.size() == 1 &&
         image.locations[0].url == stamped.locations[0].url &&
         image.locations[0].metadata == stamped.locations[0].metadata;
}

Load::Load(Catalog& catalog, int clients) : catalog_(catalog) {
  for (int at = 0; at < clients; ++at) {
    clients_.push_back(std::make_unique<Client>());
    ImageRecord image;
    image.id = clients_.back()->id = NewIdentifier();
    image.owner = "here";
    image.created = image.updated = Now();
    Stamp(image, 0);
    const auto inserted = catalog_.Insert(image);
    EXPECT_TRUE(inserted.ok()) << inserted.error().Describe();
  }
  for (const auto& client : clients_) client->thread = std::jthread([this, &client = *client] { Work(client); });
}

Load::~Load() { End(); }

void Load::Work(Client& client) const {
  while (!ended_) {
    const auto changed = catalog_.Change(client.id, [](ImageRecord& image) -> Result<> {
      Stamp(image, std::stoi(*image.name) + 1);
      return Done{};
    });
    if (changed.ok()) {
      ++client.changes;
      continue;
    }
    if (changed.error().kind() != ErrorKind::kIo && client.wrong.empty()) client.wrong = changed.error().Describe();
    ++client.errors;
    std::this_thread::sleep_for(kPause);
  }
}

void Load::AwaitChanges(int each) {
  for (const auto& client : clients_) {
    const int before = client->changes;
    Await([&] { return client->changes >= before + each; });
  }
}

void Load::AwaitError() {
  std::vector<int> before;
  for (const auto& client : clients_) before.push_back(client->errors);
  Await([&] {
    for (std::size_t at = 0; at < clients_.size(); ++at) {
      if (clients_[at]->errors > before[at]) return true;
    }
    return false;
  });
}

void Load::End() {
  ended_ = true;
  for (const auto& client : clients_) client->thread = {};
}

void Load::EndAndCheck() {
  End();
  for (const auto& client : clients_) {
    EXPECT_EQ(client->wrong, "");
    const auto found = catalog_.Find(client->id);
    ASSERT_TRUE(found.ok()) << found.error().Describe();
    EXPECT_TRUE(IsWhole(found.value()));
    const int made = std::stoi(*found.value().name);
    EXPECT_EQ(found.value().version, 1U + static_cast<unsigned>(made));
    EXPECT_GE(made, client->changes.load());
    EXPECT_LE(made, client->changes + client->errors);
  }
}

}  // namespace platter::registry
