// Opening the images that a command line names.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "formats/containers/container.h"
#include "formats/core/file_storage.h"
#include "formats/open.h"
#include "tools/platter/image_options.h"
#include "tools/platter/persona.h"

namespace platter::cli {

// One image as the command line describes it.
struct ImageArgument {
  Dialect dialect = Dialect::kPlatter;
  std::string text;         // a file name, or the text of --image-opts
  bool image_opts = false;  // which of the two it is
  std::string format;       // -f; "" = recognise
  CacheMode cache = CacheMode::kWriteback;
  bool force_share = false;  // -U
  FileMode::Access access = FileMode::Access::kRead;
  // A container (an OVA) is to be looked into, and its disk to be opened; never as qemu-img, nor with -f.
  bool containers = false;
  std::optional<std::string> disk;  // --disk: number, id or file name; only for containers
};

// What an argument says once it is parsed.
struct ImageSource {
  Dialect dialect = Dialect::kPlatter;
  std::string path;
  const FormatDriver* driver = nullptr;  // null: recognise
  OptionValues open_options;             // values of driver->open_options
  FileMode mode;
  bool force_share = false;  // others may write to it
  ImageOptions options;      // what --image-opts said; empty for a file name
  bool bare_file = false;
  bool containers = false;                     // look into containers
  const ContainerDriver* container = nullptr;  // the container that -f asked for; null: recognise
  std::optional<std::string> disk;
};

// The file that a file name or --image-opts means (FormatDriver::folder_member where a folder is named), with the
// driver that was asked for. kInvalid for options that are wrong, for -f together with --image-opts and for an unknown
// driver; kUnsupported for "json:" and network names.
Result<ImageSource> ParseImageArgument(const ImageArgument& argument);

struct OpenRequest {
  bool whole_chain = true;  // open the backing files too
  bool contents = true;     // OpenContext::contents
};
// Opens the image and what is below it: at least one layer, the top first. Of a container the disk that the source
// names, which may name no other file.
Result<OpenedChain> OpenImage(const ImageSource& source, const OpenRequest& request);
Result<OpenedChain> OpenImage(const ImageArgument& argument, const OpenRequest& request);

// What `info` and messages call the opened image: its path, or as much of its options as makes it what it is.
std::string ImageName(const ImageSource& source);

// The size that the user wrote for `what` ("image size", "start offset"); empty after a message when it is none, or
// beyond the largest signed 64-bit number.
std::optional<std::uint64_t> ParseSizeArgument(const Persona& persona, std::string_view what, std::string_view text);

}  // namespace platter::cli
