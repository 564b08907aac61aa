// The one error type of every public header, and the means to build it.
//
// An error is an ordinary value: a malformed image, a full disk and a wrong option all arrive as one. It has a small
// kind to match on, and a story for the person who reads it: what is wrong, in which file, structure and field, at
// which offset, what was found there and what would have been allowed.
#pragma once

#include <concepts>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace platter {

enum class ErrorKind : std::uint8_t {
  kIo,             // the host failed us: EIO, ENOSPC, EACCES, a file that shrank; see Error::os_error()
  kNotThisFormat,  // the bytes belong to some other format
  kCorrupt,        // the file says something that its format forbids, or that contradicts itself
  kUnsupported,    // legal, but refused: an unknown feature, an encrypted image
  kLimit,          // legal, but beyond the caller's Limits
  kOutOfRange,     // a request outside the guest disk or the file
  kDenied,         // a reference to another file that the ReferenceGate refused
  kInvalid,        // a wrong argument or option from the caller
  kCancelled,      // the caller asked to stop
  kNotFound,       // what the caller names is not there
  kExists,         // what the caller wants to make is there already
  kConflict,       // it is not in the state for this, or somebody else has changed it meanwhile
};

// The kind's name as it appears in messages: "corrupt", "unsupported", ...
std::string_view ErrorKindName(ErrorKind kind) noexcept;

// Cheap to move (one pointer); allocated only on failure. The setters are for building:
//   return Error(ErrorKind::kCorrupt, "refcount table lies outside the file")
//       .At("header", "refcount_table_offset", 48).Found(offset).Allowed("a multiple of 65536 below 1310720");
class [[nodiscard]] Error {
 public:
  Error(ErrorKind kind, std::string what);
  // kIo with the text of errno `os_error`: "what: No space left on device".
  static Error FromErrno(int os_error, std::string what);

  Error(const Error&) = delete;
  Error& operator=(const Error&) = delete;
  Error(Error&&) noexcept;
  Error& operator=(Error&&) noexcept;
  ~Error();

  // Where in the image: the structure ("L2 table"), the field ("entry 17"), and its host offset in bytes.
  Error&& At(std::string structure, std::string field, std::uint64_t host_offset) &&;
  Error&& At(std::string structure, std::string field) &&;
  Error&& Found(std::string value) &&;
  template <std::integral T>
  Error&& Found(T value) && {
    return std::move(*this).Found(std::to_string(value));
  }
  // The allowed values, in words: "9 to 21", "a power of two".
  Error&& Allowed(std::string values) &&;
  // What to do about it, a whole sentence without the full stop: "run platter check -r all".
  Error&& Try(std::string remedy) &&;
  // The file's name as the user knows it; the first (innermost) name wins.
  Error&& In(std::string file) &&;
  // What was being done, added as the stack unwinds; the outermost is printed first.
  Error&& While(std::string activity) &&;

  ErrorKind kind() const noexcept;
  int os_error() const noexcept;  // an errno value, 0 where the host said nothing
  const std::string& what() const noexcept;
  const std::string& file() const noexcept;       // "" when unknown
  const std::string& structure() const noexcept;  // "" when unknown
  const std::string& field() const noexcept;      // "" when unknown
  const std::string& found() const noexcept;      // "" when unknown
  std::optional<std::uint64_t> host_offset() const noexcept;

  // The whole story on one line:
  // "opening disk.qcow2: refcount table lies outside the file (header, field refcount_table_offset at 0x30: found
  //  9437184, allowed a multiple of 65536 below 1310720); run ..."
  std::string Describe() const;

 private:
  struct Story;
  std::unique_ptr<Story> story_;
};

}  // namespace platter
