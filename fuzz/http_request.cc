// Requests as the server reads them: however the bytes are cut, the outcome is the same.
#include <algorithm>
#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "fuzz/support/harness.h"
#include "fuzz/support/promise.h"
#include "tools/platterd/http/exchange.h"
#include "tools/platterd/http/request_reader.h"
#include "tools/platterd/http/text.h"

namespace platter::fuzz {
namespace {

struct Outcome {
  bool head = false;
  bool done = false;
  unsigned fault = 0;
  std::string target;
  std::string body;
  std::size_t consumed = 0;

  bool operator==(const Outcome&) const = default;
};

void CheckRequest(const http::Request& request) {
  for (const std::string& segment : request.segments) {
    Promise(http::IsUtf8(segment) && segment.find('\0') == std::string::npos, "a segment is text", segment);
  }
  for (const auto& [name, value] : request.headers.all()) {
    Promise(name.find_first_of("\r\n: ") == std::string::npos, "a name is one", name);
    Promise(value.find_first_of("\r\n") == std::string::npos, "a value is one line", value);
  }
  Promise(!(request.content_length && request.headers.Find("Transfer-Encoding")), "there is one length");
}

// Shows the reader `window` more bytes at a time.
Outcome Read(std::span<const std::byte> input, std::size_t window) {
  const http::HeadLimits limits{.bytes = 1024, .fields = 20};
  http::RequestReader reader(limits);
  Outcome out;
  std::size_t shown = 0;
  while (!reader.done()) {
    const bool had_head = reader.head_done();
    const auto step = reader.Read(input.subspan(out.consumed, shown - out.consumed));
    Promise(step.consumed <= shown - out.consumed, "no more is taken than is there");
    if (step.fault) {
      out.fault = step.fault->status;
      Promise(http::ReasonOf(out.fault) != "Unknown", "a fault has a reason");
      break;
    }
    out.consumed += step.consumed;
    out.body.append(reinterpret_cast<const char*>(step.body.data()), step.body.size());
    if (!had_head && reader.head_done()) {
      const http::Request request = reader.TakeRequest();
      CheckRequest(request);
      out.head = true;
      out.target = request.target;
    }
    if (step.consumed > 0) continue;
    if (shown == input.size()) break;
    shown = std::min(input.size(), shown + window);
  }
  out.done = reader.done();
  return out;
}

}  // namespace

void TestOneInput(std::span<const std::uint8_t> input) {
  if (input.size() > 4096) return;
  const auto bytes = std::as_bytes(input);
  const Outcome whole = Read(bytes, std::max<std::size_t>(bytes.size(), 1));
  const Outcome pieces = Read(bytes, 1);
  Promise(whole.head == pieces.head && whole.done == pieces.done && whole.target == pieces.target,
          "a request is the same however it is cut");
  if (whole.done) Promise(whole == pieces, "and so are its body and its end");
  Promise((whole.fault == 0) == (pieces.fault == 0), "and so is that it is none");
}

}  // namespace platter::fuzz
