// Chunked bodies as they are read however few of their bytes are there at a time.
#include "tools/platterd/http/request_reader.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <span>
#include <string>
#include <string_view>

namespace platter::http {
namespace {

struct Outcome {
  bool done = false;
  unsigned fault = 0;  // its status
  std::string body;

  bool operator==(const Outcome&) const = default;
};
void PrintTo(const Outcome& outcome, std::ostream* out) {
  *out << (outcome.done ? "done" : "not done") << ", fault " << outcome.fault << ", body " << outcome.body;
}

// Shows the reader `more` bytes more whenever it takes none.
Outcome ReadIn(std::string_view request, std::size_t more) {
  const auto bytes = std::as_bytes(std::span(request.data(), request.size()));
  RequestReader reader({});
  Outcome out;
  std::size_t taken = 0;
  std::size_t shown = 0;
  while (!reader.done()) {
    const auto step = reader.Read(bytes.subspan(taken, shown - taken));
    if (step.fault) {
      out.fault = step.fault->status;
      return out;
    }
    taken += step.consumed;
    out.body.append(reinterpret_cast<const char*>(step.body.data()), step.body.size());
    if (step.consumed != 0) continue;
    if (shown == bytes.size()) return out;
    shown = std::min(shown + more, bytes.size());
  }
  out.done = true;
  return out;
}

struct Row {
  std::string_view what;
  std::string_view body;  // as it is sent
  Outcome outcome;
};

const Row kRows[] = {
    {"nothing at all", "0\r\n\r\n", {true, 0, ""}},
    {"a trailer behind nothing", "0\r\nT: 1\r\n\r\n", {true, 0, ""}},
    {"trailers behind nothing", "0\r\nT: 1\r\nU: 2\r\n\r\n", {true, 0, ""}},
    {"an extension of nothing", "0;a=b\r\n\r\n", {true, 0, ""}},
    {"many zeros", "0000\r\n\r\n", {true, 0, ""}},
    {"a byte", "1\r\na\r\n0\r\n\r\n", {true, 0, "a"}},
    {"a byte, and a trailer", "1\r\na\r\n0\r\nT: 1\r\n\r\n", {true, 0, "a"}},
    {"two chunks", "1\r\na\r\n2;x\r\nbc\r\n0\r\n\r\n", {true, 0, "abc"}},
    {"a lone CR in the last chunk's line", "0\rT: 1\r\n\r\n", {false, 400, ""}},
    {"a lone CR in the last of two lines", "1\r\na\r\n0\rT: 1\r\n\r\n", {false, 400, "a"}},
    {"a lone CR in the line of a chunk", "1\ra\r\n0\r\n\r\n", {false, 400, ""}},
    {"a lone CR in a trailer", "0\r\nT: 1\rU: 2\r\n\r\n", {false, 400, ""}},
    {"a line feed alone", "0\n\r\n\r\n", {false, 400, ""}},
    {"a letter behind the last size", "0x\r\n\r\n", {false, 400, ""}},
    {"a trailer that is none", "0\r\nnone\r\n\r\n", {false, 400, ""}},
    {"an extension in quotes", "1;a=\"b\tc\"\r\na\r\n0\r\n\r\n", {true, 0, "a"}},
    {"a line feed in an extension", "1;a=\"\nb\"\r\na\r\n0\r\n\r\n", {false, 400, ""}},
    {"a NUL in an extension", {"1;a=\"\0\"\r\na\r\n0\r\n\r\n", 17}, {false, 400, ""}},
    {"a DEL in an extension", "1;a=\"\x7f\"\r\na\r\n0\r\n\r\n", {false, 400, ""}},
    {"a line feed in the last extension", "1\r\na\r\n0;a=\"\n\"\r\n\r\n", {false, 400, "a"}},
    {"a folded trailer", "1\r\na\r\n0\r\nT: 1\r\n 2\r\n\r\n", {false, 400, "a"}},
    {"a trailer folded by a tab", "0\r\nT: 1\r\n\t2\r\nU: 3\r\n\r\n", {false, 400, ""}},
    {"a NUL in a trailer", {"0\r\nT: \0\r\n\r\n", 11}, {false, 400, ""}},
    {"an end that is missing", "0\r\n\r", {false, 0, ""}},
    {"a line that is missing", "0\r\n", {false, 0, ""}},
};

TEST(RequestReader, ChunksMayComeInPiecesOfAnySize) {
  for (const Row& row : kRows) {
    const std::string request =
        "PUT /a HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + std::string(row.body);
    for (std::size_t more = 1; more <= request.size(); ++more) {
      EXPECT_EQ(ReadIn(request, more), row.outcome) << row.what << ", " << more << " at a time";
    }
  }
}

TEST(RequestReader, AFewEmptyLinesMayBeInFront) {
  for (const std::size_t count : {0U, 1U, 8U, 9U, 5000U}) {
    std::string request;
    for (std::size_t i = 0; i < count; ++i) request += "\r\n";
    request += "GET /a HTTP/1.1\r\nHost: a\r\n\r\n";
    for (const std::size_t more : {1U, 2U, 3U, 7U, 10000U}) {
      const Outcome wanted = count > 8 ? Outcome{false, 400, ""} : Outcome{true, 0, ""};
      EXPECT_EQ(ReadIn(request, more), wanted) << count << " lines, " << more << " at a time";
    }
  }
  // All that are there go at once: each piece that is taken is moved out of the way.
  RequestReader reader({});
  const std::string lines = "\r\n\r\n\r\nGET";
  EXPECT_EQ(reader.Read(std::as_bytes(std::span(lines.data(), lines.size()))).consumed, 6U);
}

}  // namespace
}  // namespace platter::http
