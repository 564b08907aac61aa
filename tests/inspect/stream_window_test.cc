// What a stream's window keeps, and that it keeps no more than it says.
#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "formats/inspect/stream_window.h"
#include "tests/support/content.h"
#include "tests/support/guest.h"

namespace platter::test {
namespace {

using inspect::StreamWindow;

constexpr std::uint64_t kLength = std::uint64_t{4} << 20;

std::vector<std::byte> Content() {
  GuestDisk disk;
  disk.size = kLength;
  disk.ranges = {{0, kLength, GuestRange::Kind::kNoise, 11}};
  return disk.Content();
}

// Feeds up to `end`, stopping at every look and keeping what is missed there; `look` reads what it wants.
template <class Look>
void FeedTo(StreamWindow& window, const std::vector<std::byte>& content, std::uint64_t end, Look look) {
  while (window.position() < end) {
    const std::uint64_t next = std::min(window.next_look(), end);
    window.Append(std::span(content).subspan(window.position(), next - window.position()));
    look();
    window.KeepWhatWasMissed();
  }
}

bool Reads(StreamWindow& window, const std::vector<std::byte>& content, std::uint64_t offset, std::size_t length) {
  std::vector<std::byte> out(length);
  if (!window.ReadAt(offset, out).ok()) return false;
  EXPECT_TRUE(test::SameBytes(out, std::span(content).subspan(offset, length))) << "at " << offset;
  return true;
}

TEST(StreamWindow, KeepsHeadAndTail) {
  const auto content = Content();
  StreamWindow window("stream");
  FeedTo(window, content, kLength, [] {});
  EXPECT_EQ(window.size(), StreamWindow::kEndless);
  EXPECT_FALSE(Reads(window, content, kLength - 512, 512)) << "the end is not known yet";
  window.Finish();
  EXPECT_EQ(window.size(), kLength);
  EXPECT_TRUE(Reads(window, content, 0, StreamWindow::kHead));
  EXPECT_TRUE(Reads(window, content, kLength - StreamWindow::kTail, StreamWindow::kTail));
  EXPECT_FALSE(Reads(window, content, StreamWindow::kHead, 1));
  EXPECT_FALSE(Reads(window, content, kLength - StreamWindow::kTail - 1, 1));
}

TEST(StreamWindow, KeepsWhatWasAskedForBeforeItCame) {
  const auto content = Content();
  StreamWindow window("stream");
  FeedTo(window, content, kLength, [&] { Reads(window, content, 1000000, 5000); });
  EXPECT_TRUE(Reads(window, content, 1000000, 5000));
  EXPECT_FALSE(Reads(window, content, 900000, 1));
  EXPECT_EQ(window.misses(), 3U);  // at 64 KiB, at 320 KiB, and the last one
}

TEST(StreamWindow, HasRoomForSoMuchAndNoMore) {
  const auto content = Content();
  StreamWindow window("stream");
  constexpr std::uint64_t kPiece = 4096;
  constexpr std::uint64_t kFirst = std::uint64_t{1} << 20;
  const auto ask = [&] {
    for (std::uint64_t at = kFirst; at < kFirst + 2 * StreamWindow::kRoom; at += kPiece) {
      Reads(window, content, at, kPiece);
    }
  };
  FeedTo(window, content, StreamWindow::kFirstLook, ask);
  FeedTo(window, content, kLength, [] {});
  std::uint64_t kept = 0;
  for (std::uint64_t at = kFirst; at < kFirst + 2 * StreamWindow::kRoom; at += kPiece) {
    if (Reads(window, content, at, kPiece)) kept += kPiece;
  }
  EXPECT_EQ(kept, StreamWindow::kRoom);
}

TEST(StreamWindow, KnowsWhereZerosBegin) {
  constexpr std::uint64_t kDataEnd = (std::uint64_t{2} << 20) + 77;
  std::vector<std::byte> content = Content();
  std::fill(content.begin() + kDataEnd, content.end(), std::byte{0});
  content[kDataEnd - 1] = std::byte{7};
  StreamWindow window("upload");
  FeedTo(window, content, kLength, [] {});
  const auto before = window.DataMap(kDataEnd);
  ASSERT_TRUE(before.ok());
  EXPECT_TRUE(before.value().data) << "what follows may be anything";
  window.Finish();
  const auto data = window.DataMap(kDataEnd - 1000);
  ASSERT_TRUE(data.ok());
  EXPECT_TRUE(data.value().data);
  EXPECT_EQ(data.value().length, 1000U);
  const auto hole = window.DataMap(kDataEnd);
  ASSERT_TRUE(hole.ok());
  EXPECT_FALSE(hole.value().data);
  EXPECT_EQ(hole.value().length, kLength - kDataEnd);
  EXPECT_TRUE(Reads(window, content, kDataEnd - 1, 1));
  EXPECT_FALSE(Reads(window, content, kDataEnd - 2, 1));
}

}  // namespace
}  // namespace platter::test
