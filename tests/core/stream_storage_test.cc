// A storage that can only be written in order, on real pipes, FIFOs and sockets.
#include "formats/core/stream_storage.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <thread>
#include <vector>

#include "tests/support/temp_dir.h"

namespace platter {
namespace {

std::span<const std::byte> Bytes(std::string_view text) { return std::as_bytes(std::span(text)); }

// Everything that comes out of `fd`, to its end.
class Reader {
 public:
  explicit Reader(int fd, std::chrono::milliseconds pause = {}) : fd_(fd), thread_([this, pause] { Read(pause); }) {}
  ~Reader() {
    if (thread_.joinable()) (void)Text();
  }
  std::string Text() {
    thread_.join();
    return text_;
  }

 private:
  void Read(std::chrono::milliseconds pause) {
    std::array<char, 4096> part{};
    for (ssize_t got = 0; (got = read(fd_, part.data(), part.size())) > 0;) {
      text_.append(part.data(), static_cast<std::size_t>(got));
      if (pause.count() != 0 && text_.size() < 4 * part.size()) std::this_thread::sleep_for(pause);
    }
    close(fd_);
  }

  int fd_;
  std::string text_;
  std::thread thread_;
};

class Streams : public testing::Test {
 protected:
  void SetUp() override {
    std::signal(SIGPIPE, SIG_IGN);
    int ends[2];
    ASSERT_EQ(pipe2(ends, O_CLOEXEC), 0);
    read_end_ = ends[0];
    stream_ = std::make_shared<StreamStorage>("pipe", ends[1]);
  }

  std::shared_ptr<StreamStorage> stream_;
  int read_end_ = -1;
};

TEST_F(Streams, PutWritesOfManyThreadsInOrder) {
  constexpr std::size_t kPieces = 64;
  constexpr std::size_t kPiece = 3000;
  Reader reader(read_end_);
  std::vector<std::thread> threads;
  for (std::size_t thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&, thread] {
      for (std::size_t piece = thread; piece < kPieces; piece += 4) {
        const std::string text(kPiece, static_cast<char>('0' + piece));
        EXPECT_TRUE(stream_->WriteAt(piece * kPiece, Bytes(text)).ok());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(stream_->size(), kPieces * kPiece);
  stream_.reset();
  std::string expected;
  for (std::size_t piece = 0; piece < kPieces; ++piece) expected.append(kPiece, static_cast<char>('0' + piece));
  EXPECT_EQ(reader.Text(), expected);
}

TEST_F(Streams, WriteZerosForHolesAndSize) {
  Reader reader(read_end_);
  ASSERT_TRUE(stream_->Punch(0, 100'000).ok());
  ASSERT_TRUE(stream_->WriteAt(100'000, Bytes("data")).ok());
  ASSERT_TRUE(stream_->Resize(100'006).ok());
  ASSERT_TRUE(stream_->Resize(100'006).ok());
  ASSERT_TRUE(stream_->Sync().ok());
  stream_.reset();
  std::string expected(100'006, '\0');
  expected.replace(100'000, 4, "data");
  EXPECT_EQ(reader.Text(), expected);
}

TEST_F(Streams, RefuseWhatIsNoWritingInOrder) {
  ASSERT_TRUE(stream_->WriteAt(0, Bytes("abcd")).ok());
  EXPECT_EQ(stream_->WriteAt(2, Bytes("x")).error().kind(), ErrorKind::kUnsupported);
  EXPECT_EQ(stream_->Punch(0, 1).error().kind(), ErrorKind::kUnsupported);
  EXPECT_EQ(stream_->Resize(3).error().kind(), ErrorKind::kUnsupported);
  EXPECT_EQ(stream_->Allocate(0, 8).error().kind(), ErrorKind::kUnsupported);
  std::array<std::byte, 2> bytes{};
  EXPECT_EQ(stream_->ReadAt(0, bytes).error().kind(), ErrorKind::kUnsupported);
  EXPECT_EQ(stream_->size(), 4u);
  close(read_end_);
}

TEST_F(Streams, TellAllWhoWaitThatTheReaderWentAway) {
  std::vector<std::thread> threads;
  for (std::uint64_t piece = 1; piece < 4; ++piece) {
    threads.emplace_back([this, piece] {
      const auto written = stream_->WriteAt(piece * 4, Bytes("wait"));
      ASSERT_FALSE(written.ok());
      EXPECT_EQ(written.error().os_error(), EPIPE) << written.error().Describe();
    });
  }
  close(read_end_);
  const auto written = stream_->WriteAt(0, Bytes("lost"));
  ASSERT_FALSE(written.ok());
  EXPECT_EQ(written.error().kind(), ErrorKind::kIo);
  EXPECT_EQ(written.error().os_error(), EPIPE);
  EXPECT_EQ(written.error().file(), "pipe");
  for (std::thread& thread : threads) thread.join();
}

TEST_F(Streams, WaitForSlowReadersOfNonBlockingPipes) {
  close(read_end_);
  int ends[2];
  ASSERT_EQ(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
  ASSERT_EQ(fcntl(ends[0], F_SETFL, 0), 0);
  stream_ = std::make_shared<StreamStorage>("pipe", ends[1]);
  Reader reader(ends[0], std::chrono::milliseconds(20));
  const std::string text(std::size_t{1} << 20, 'x');
  ASSERT_TRUE(stream_->WriteAt(0, Bytes(text)).ok());
  stream_.reset();
  EXPECT_EQ(reader.Text(), text);
}

TEST(StreamNames, AreFifosAndDescriptors) {
  const test::TempDir folder;
  const std::string fifo = folder.File("fifo");
  ASSERT_EQ(mkfifo(fifo.c_str(), 0600), 0);
  EXPECT_TRUE(StreamStorage::IsStream(fifo));
  EXPECT_TRUE(StreamStorage::IsStream("/dev/null"));
  EXPECT_FALSE(StreamStorage::IsStream(folder.File("missing")));
  EXPECT_FALSE(StreamStorage::IsStream(folder.path().string()));
  const int read_end = open(fifo.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC);
  ASSERT_EQ(fcntl(read_end, F_SETFL, 0), 0);
  {
    const auto stream = StreamStorage::Open(fifo);
    ASSERT_TRUE(stream.ok()) << stream.error().Describe();
    EXPECT_TRUE(stream.value()->WriteAt(0, Bytes("through")).ok());
    struct stat status {};
    ASSERT_EQ(stat(fifo.c_str(), &status), 0);
    EXPECT_EQ(stream.value()->identity(), (StorageIdentity{status.st_dev, status.st_ino}));
  }
  EXPECT_EQ(Reader(read_end).Text(), "through");
  EXPECT_EQ(StreamStorage::Open(folder.File("missing")).error().os_error(), ENOENT);
}

TEST(StreamNames, OfDescriptorsReachSockets) {
  int ends[2];
  ASSERT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), 0);
  {
    const auto stream = StreamStorage::Open("/dev/fd/" + std::to_string(ends[0]));
    ASSERT_TRUE(stream.ok()) << stream.error().Describe();
    EXPECT_TRUE(stream.value()->WriteAt(0, Bytes("through")).ok());
  }
  close(ends[0]);
  EXPECT_EQ(Reader(ends[1]).Text(), "through");
}

TEST(StreamNames, OfTerminalsAreRefused) {
  const int terminal = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
  ASSERT_GE(terminal, 0);
  ASSERT_EQ(unlockpt(terminal), 0);
  std::array<char, 64> name{};
  ASSERT_EQ(ptsname_r(terminal, name.data(), name.size()), 0);
  EXPECT_EQ(StreamStorage::Open(name.data()).error().kind(), ErrorKind::kUnsupported);
  close(terminal);
}

}  // namespace
}  // namespace platter
