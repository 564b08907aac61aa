#include "tests/registry/catalog/catalog_fixture.h"

namespace platter::registry {

void ExpectEqual(const ImageRecord& left, const ImageRecord& right) {
  EXPECT_EQ(left.id, right.id);
  EXPECT_EQ(left.name, right.name);
  EXPECT_EQ(left.status, right.status);
  EXPECT_EQ(left.visibility, right.visibility);
  EXPECT_EQ(left.is_protected, right.is_protected);
  EXPECT_EQ(left.hidden, right.hidden);
  EXPECT_EQ(left.owner, right.owner);
  EXPECT_EQ(left.disk_format, right.disk_format);
  EXPECT_EQ(left.container_format, right.container_format);
  EXPECT_EQ(left.min_disk, right.min_disk);
  EXPECT_EQ(left.min_ram, right.min_ram);
  EXPECT_EQ(left.size, right.size);
  EXPECT_EQ(left.virtual_size, right.virtual_size);
  EXPECT_EQ(left.checksum, right.checksum);
  EXPECT_EQ(left.hash_algorithm, right.hash_algorithm);
  EXPECT_EQ(left.hash_value, right.hash_value);
  EXPECT_EQ(left.tags, right.tags);
  EXPECT_EQ(left.properties, right.properties);
  EXPECT_EQ(left.created, right.created);
  EXPECT_EQ(left.updated, right.updated);
  EXPECT_EQ(left.deleted, right.deleted);
  EXPECT_EQ(left.version, right.version);
  ASSERT_EQ(left.locations.size(), right.locations.size());
  for (std::size_t at = 0; at < left.locations.size(); ++at) {
    EXPECT_EQ(left.locations[at].url, right.locations[at].url);
    EXPECT_EQ(left.locations[at].store, right.locations[at].store);
    EXPECT_EQ(left.locations[at].metadata, right.locations[at].metadata);
  }
}

}  // namespace platter::registry
