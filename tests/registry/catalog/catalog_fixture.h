// What the catalog's suites start from: a catalog on an empty database of the engine that they run with.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "registry-core/catalog/catalog.h"
#include "tests/registry/databases/database.h"

namespace platter::registry {

class CatalogTest : public testing::Test {
 protected:
  void SetUp() override { catalog_ = Opened({}); }

  std::unique_ptr<Catalog> Opened(const CatalogOptions& options) const {
    auto opened = Catalog::Open(database_.url(), options, true);
    if (!opened.ok()) throw std::runtime_error(opened.error().Describe());
    return std::move(opened).value();
  }
  static ImageRecord Image(std::string name, std::string owner = "here") {
    ImageRecord image;
    image.id = NewIdentifier();
    image.name = std::move(name);
    image.owner = std::move(owner);
    image.created = image.updated = Now();
    return image;
  }
  ImageRecord Insert(ImageRecord image) {
    auto inserted = catalog_->Insert(std::move(image));
    if (!inserted.ok()) throw std::runtime_error(inserted.error().Describe());
    return std::move(inserted).value();
  }
  std::vector<std::string> Names(const ImageQuery& query) {
    auto images = catalog_->List(query);
    EXPECT_TRUE(images.ok()) << images.error().Describe();
    std::vector<std::string> names;
    for (const ImageRecord& image : images.value()) names.push_back(image.name.value_or("NULL"));
    return names;
  }
  static ImageQuery As(std::optional<std::string> project) {
    ImageQuery query;
    query.viewer.project = std::move(project);
    return query;
  }

  test::Database database_;
  std::unique_ptr<Catalog> catalog_;
};

// Every field.
void ExpectEqual(const ImageRecord& left, const ImageRecord& right);

}  // namespace platter::registry
