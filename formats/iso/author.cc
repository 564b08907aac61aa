#include "formats/iso/author.h"

#include <fmt/format.h>
#define LIBISOFS_WITHOUT_LIBBURN yes
#include <libisofs/libisofs.h>
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <ctime>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "formats/core/file_storage.h"
#include "formats/iso/layout.h"
#include "formats/iso/text.h"

namespace platter::iso {
namespace {

constexpr std::size_t kLongestVolumeId = 32;
constexpr std::size_t kLongestPublisher = 128;
constexpr std::size_t kHeldBack = 8;  // what a volume is recognised by: see writer.cc
constexpr std::size_t kPiece = 128 * kSectorSize;
constexpr short kBiosSectors = 4;  // of 512 bytes: what boot loaders for CDs expect to be loaded
constexpr std::uint64_t kEfiSector = 512;
constexpr std::uint64_t kMostEfiSectors = 65535;
constexpr std::size_t kInfoTableStart = 8;
constexpr std::size_t kInfoTableEnd = 64;

struct FreeImage {
  void operator()(IsoImage* image) const noexcept { iso_image_unref(image); }
};
struct FreeOptions {
  void operator()(IsoWriteOpts* options) const noexcept { iso_write_opts_free(options); }
};
struct FreeSource {
  void operator()(burn_source* source) const noexcept {
    source->cancel(source);  // ends the library's thread where it is still at work
    source->free_data(source);
    std::free(source);
  }
};
using ImageHandle = std::unique_ptr<IsoImage, FreeImage>;
using OptionsHandle = std::unique_ptr<IsoWriteOpts, FreeOptions>;
using SourceHandle = std::unique_ptr<burn_source, FreeSource>;

// What the library has said since it was asked last; the worst thing, with the
// file's name in it.
std::string LastMessage() {
  std::string message;
  std::array<char, ISO_MSGS_MESSAGE_LEN> text{};
  std::array<char, 80> severity{};
  int code = 0;
  int image = 0;
  std::string least = "SORRY";
  while (iso_obtain_msgs(least.data(), &code, &image, text.data(), severity.data()) > 0) {
    if (message.empty()) message = text.data();
  }
  return message;
}

// libisofs answers with negative numbers; above them are successes and remarks.
Result<> Check(int answer, const char* what) {
  if (answer >= 0) return Done{};
  std::string reason = LastMessage();
  if (reason.empty()) reason = iso_error_to_msg(answer);
  return Error(ErrorKind::kInvalid, fmt::format("{}: {}", what, reason));
}

// SOURCE_DATE_EPOCH as reproducible-builds.org defines it; empty when it is not
// set.
Result<std::optional<std::time_t>> SourceDate() {
  const char* text = std::getenv("SOURCE_DATE_EPOCH");
  if (text == nullptr) return std::optional<std::time_t>();
  const std::string_view digits = text;
  std::time_t seconds = 0;
  const auto parsed = std::from_chars(digits.data(), digits.data() + digits.size(), seconds);
  if (parsed.ec == std::errc() && parsed.ptr == digits.data() + digits.size() && seconds >= 0) {
    return std::optional<std::time_t>(seconds);
  }
  return Error(ErrorKind::kInvalid,
               "the environment variable "
               "SOURCE_DATE_EPOCH is no number of seconds")
      .Found(text);
}

Result<std::string> AsciiOption(const OptionValues& options, const char* name, std::size_t longest) {
  std::string text = options.Text(name).value_or("");
  const auto printable = [](char c) { return c >= 0x20 && c < 0x7F; };
  if (text.size() <= longest && std::ranges::all_of(text, printable)) return text;
  return Error(ErrorKind::kInvalid, fmt::format("the option '{}' does not fit the volume's descriptor", name))
      .Found(text)
      .Allowed(fmt::format("up to {} printable characters of ASCII", longest));
}

// One volume on its way from a folder into a file.
class Authoring {
 public:
  explicit Authoring(const AuthorRequest& request) : request_(request) {}

  Result<> Run() {
    std::string queue = "SORRY";
    std::string print = "NEVER";
    std::string prefix;
    PLATTER_CHECK(Check(iso_init(), "libisofs does not start"));
    iso_set_msgs_severities(queue.data(), print.data(), prefix.data());
    // A file that cannot be read would be filled up with zeros.
    std::string abort = "SORRY";
    iso_set_abort_severity(abort.data());
    PLATTER_CHECK(Prepare());
    return Write();
  }

 private:
  Result<> Prepare() {
    date_ = PLATTER_TRY(SourceDate());
    std::string volume_id = PLATTER_TRY(AsciiOption(request_.options, "volume_id", kLongestVolumeId));
    if (volume_id.empty()) volume_id = "CDROM";
    const std::string publisher = PLATTER_TRY(AsciiOption(request_.options, "publisher", kLongestPublisher));
    IsoImage* image = nullptr;
    PLATTER_CHECK(Check(iso_image_new(volume_id.c_str(), &image), "cannot begin a volume"));
    image_.reset(image);
    if (!publisher.empty()) iso_image_set_publisher_id(image, publisher.c_str());
    iso_image_set_application_id(image, "PLATTER");
    iso_image_set_ignore_aclea(image, 1);
    PLATTER_CHECK(AddFolder());
    PLATTER_CHECK(AddBootImages());
    return SetOptions();
  }

  Result<> AddFolder() {
    struct stat status {};
    // libisofs wants an absolute path.
    const std::unique_ptr<char, decltype(&std::free)> path(realpath(request_.folder.c_str(), nullptr), std::free);
    if (path == nullptr || stat(path.get(), &status) != 0) {
      return Error::FromErrno(errno, "cannot open the folder").In(request_.folder);
    }
    folder_ = path.get();
    // The new image may lie in the folder that it is made of.
    const std::unique_ptr<char, decltype(&std::free)> own(realpath(request_.storage->name().c_str(), nullptr),
                                                          std::free);
    if (own != nullptr) iso_tree_add_exclude(image_.get(), own.get());
    if (!S_ISDIR(status.st_mode)) return Error(ErrorKind::kInvalid, "not a folder").In(request_.folder);
    iso_tree_set_follow_symlinks(image_.get(), 0);
    iso_tree_set_ignore_hidden(image_.get(), 0);
    IsoDir* root = iso_image_get_root(image_.get());
    const int added = iso_tree_add_dir_rec(image_.get(), root, folder_.c_str());
    PLATTER_CHECK(Check(added, "cannot take the folder's files"));
    if (std::string message = LastMessage(); !message.empty()) {
      return Error(ErrorKind::kIo, "cannot take the folder's files: " + message);
    }
    auto* node = reinterpret_cast<IsoNode*>(root);
    iso_node_set_permissions(node, status.st_mode & 07777);
    iso_node_set_mtime(node, status.st_mtime);
    SettleTimes(root);
    return Done{};
  }

  // Times of access and change say when the folder was looked at last, not what
  // is in it.
  void SettleTimes(IsoDir* directory) {
    std::vector<IsoDir*> pending = {directory};
    while (!pending.empty()) {
      IsoDir* next = pending.back();
      pending.pop_back();
      SettleTime(reinterpret_cast<IsoNode*>(next));
      IsoDirIter* children = nullptr;
      if (iso_dir_get_children(next, &children) < 0) continue;
      for (IsoNode* child = nullptr; iso_dir_iter_next(children, &child) == 1;) {
        if (iso_node_get_type(child) == LIBISO_DIR) {
          pending.push_back(reinterpret_cast<IsoDir*>(child));
        } else {
          SettleTime(child);
        }
      }
      iso_dir_iter_free(children);
    }
  }

  void SettleTime(IsoNode* node) const {
    std::time_t modified = iso_node_get_mtime(node);
    if (date_) modified = std::min(modified, *date_);
    iso_node_set_mtime(node, modified);
    iso_node_set_atime(node, modified);
    iso_node_set_ctime(node, modified);
    iso_node_set_uid(node, 0);
    iso_node_set_gid(node, 0);
  }

  // The path of a boot image in the volume; kInvalid when the folder has no
  // such file.
  Result<std::string> BootPath(const char* option) {
    const std::string name = request_.options.Text(option).value_or("");
    std::string path = "/" + name.substr(std::min(name.find_first_not_of('/'), name.size()));
    IsoNode* node = nullptr;
    if (iso_tree_path_to_node(image_.get(), path.c_str(), &node) == 1 && iso_node_get_type(node) == LIBISO_FILE) {
      return path;
    }
    return Error(ErrorKind::kInvalid, fmt::format("the folder has no such file for the option '{}'", option))
        .Found(name)
        .Allowed("the path of a regular file, seen from the folder");
  }

  Result<ElToritoBootImage*> AddBootImage(const std::string& path) {
    ElToritoBootImage* boot = nullptr;
    const int answer =
        has_boot_ ? iso_image_add_boot_image(image_.get(), path.c_str(), ELTORITO_NO_EMUL, 0, &boot)
                  : iso_image_set_boot_image(image_.get(), path.c_str(), ELTORITO_NO_EMUL, "/boot.catalog", &boot);
    PLATTER_CHECK(Check(answer, "cannot add the boot image"));
    has_boot_ = true;
    return boot;
  }

  Result<> AddBootImages() {
    if (request_.options.Has("boot")) {
      const std::string path = PLATTER_TRY(BootPath("boot"));
      ElToritoBootImage* boot = PLATTER_TRY(AddBootImage(path));
      el_torito_set_load_size(boot, kBiosSectors);
      // Boot loaders that want to know where they lie leave room for a table.
      if (PLATTER_TRY(HasRoomForTable(path))) el_torito_set_isolinux_options(boot, 1, 0);
    }
    if (request_.options.Has("efi_boot")) {
      const std::string path = PLATTER_TRY(BootPath("efi_boot"));
      ElToritoBootImage* boot = PLATTER_TRY(AddBootImage(path));
      el_torito_set_boot_platform_id(boot, kPlatformEfi);
      const std::uint64_t sectors = (PLATTER_TRY(SizeOf(path)) + kEfiSector - 1) / kEfiSector;
      // Firmware takes the size from the FAT file system where the field is too
      // narrow for it.
      el_torito_set_load_size(boot, static_cast<short>(std::min(sectors, kMostEfiSectors)));
    }
    if (has_boot_) iso_image_set_boot_catalog_hidden(image_.get(), LIBISO_HIDE_ON_RR | LIBISO_HIDE_ON_JOLIET);
    return Done{};
  }

  Result<std::uint64_t> SizeOf(const std::string& path) const {
    IsoNode* node = nullptr;
    PLATTER_CHECK(Check(iso_tree_path_to_node(image_.get(), path.c_str(), &node), "cannot find the boot image"));
    return static_cast<std::uint64_t>(iso_file_get_size(reinterpret_cast<IsoFile*>(node)));
  }

  // isolinux marks the place of the boot information table, GRUB leaves zeros
  // there.
  Result<bool> HasRoomForTable(const std::string& path) const {
    const std::string host = folder_ + path;
    const auto file = PLATTER_TRY(FileStorage::Open(host, {.lock = false}));
    std::array<std::byte, kInfoTableEnd> head{};
    PLATTER_CHECK(file->ReadPadded(0, head));
    const auto table = std::span(head).subspan<kInfoTableStart>();
    const bool zero = std::ranges::all_of(table, [](std::byte b) { return b == std::byte{0}; });
    return file->size() >= kInfoTableEnd && (zero || LoadLe<std::uint32_t>(table.data()) == 0xDEADBEEF);
  }

  Result<> SetOptions() {
    IsoWriteOpts* options = nullptr;
    PLATTER_CHECK(Check(iso_write_opts_new(&options, 0), "cannot begin a volume"));
    options_.reset(options);
    const bool neither = !request_.options.Has("joliet") && !request_.options.Has("rock_ridge");
    const int joliet = request_.options.Flag("joliet", neither) ? 1 : 0;
    const int rock_ridge = request_.options.Flag("rock_ridge", neither) ? 1 : 0;
    iso_write_opts_set_iso_level(options, 3);
    iso_write_opts_set_joliet(options, joliet);
    iso_write_opts_set_joliet_long_names(options, 1);
    iso_write_opts_set_joliet_longer_paths(options, 1);
    iso_write_opts_set_joliet_utf16(options, 1);
    iso_write_opts_set_rockridge(options, rock_ridge);
    // The widespread version, with which no file numbers of the host are
    // written.
    iso_write_opts_set_rrip_version_1_10(options, 1);
    iso_write_opts_set_allow_deep_paths(options, 1);
    iso_write_opts_set_allow_longer_paths(options, 1);
    iso_write_opts_set_relaxed_vol_atts(options, 1);
    iso_write_opts_set_no_force_dots(options, 2);  // Joliet: names as they are
    iso_write_opts_set_dir_rec_mtime(options, 1);
    iso_write_opts_set_always_gmt(options, 1);
    iso_write_opts_set_sort_files(options, 1);
    std::string charset = "UTF-8";
    iso_set_local_charset(charset.data(), 0);
    iso_write_opts_set_output_charset(options, "UTF-8");
    if (date_) {
      std::tm parts{};
      gmtime_r(&*date_, &parts);
      std::string digits = fmt::format("{:04}{:02}{:02}{:02}{:02}{:02}00", parts.tm_year + 1900, parts.tm_mon + 1,
                                       parts.tm_mday, parts.tm_hour, parts.tm_min, parts.tm_sec);
      iso_write_opts_set_pvd_times(options, *date_, *date_, 0, 0, digits.data());
    }
    return Done{};
  }

  Result<> Write() {
    burn_source* source = nullptr;
    PLATTER_CHECK(
        Check(iso_image_create_burn_source(image_.get(), options_.get(), &source), "cannot lay out the volume"));
    const SourceHandle handle(source);
    const auto size = static_cast<std::uint64_t>(source->get_size(source));
    std::vector<std::byte> piece(kPiece);
    for (std::uint64_t at = 0; at < size;) {
      const auto bytes = std::span(piece).first(std::min<std::uint64_t>(piece.size(), size - at));
      PLATTER_CHECK(ReadPiece(*source, bytes));
      HoldBack(at, bytes);
      PLATTER_CHECK(request_.storage->WriteAt(at, bytes));
      at += bytes.size();
    }
    return Finish();
  }

  // The library delivers nothing at all when less than was asked for is left.
  Result<> ReadPiece(burn_source& source, std::span<std::byte> bytes) const {
    if (request_.interrupted && request_.interrupted()) return Error(ErrorKind::kCancelled, "interrupted");
    const int wanted = static_cast<int>(bytes.size());
    const int length = source.read_xt(&source, reinterpret_cast<unsigned char*>(bytes.data()), wanted);
    if (length == wanted) return Done{};
    return Error(ErrorKind::kIo, "a file cannot be read: " + LastMessage());
  }

  // Until Finish the file is no ISO.
  void HoldBack(std::uint64_t at, std::span<std::byte> bytes) {
    if (at > kDescriptorStart || at + bytes.size() < kDescriptorStart + kHeldBack) return;
    const auto mark = bytes.subspan(kDescriptorStart - at, kHeldBack);
    std::ranges::copy(mark, held_back_.begin());
    std::ranges::fill(mark, std::byte{0});
  }

  Result<> Finish() {
    // A file that could not be read to its end was filled up.
    if (const std::string reason = LastMessage(); !reason.empty()) {
      return Error(ErrorKind::kIo, "a file cannot be read: " + reason);
    }
    PLATTER_CHECK(request_.storage->Sync());
    PLATTER_CHECK(request_.storage->WriteAt(kDescriptorStart, held_back_));
    return request_.storage->Sync();
  }

  const AuthorRequest& request_;
  std::string folder_;  // absolute
  std::optional<std::time_t> date_;
  ImageHandle image_;
  OptionsHandle options_;
  bool has_boot_ = false;
  std::array<std::byte, kHeldBack> held_back_{};
};

}  // namespace

Result<> Author(const AuthorRequest& request) {
  auto made = Authoring(request).Run();
  if (!made.ok()) return std::move(made).error().In(request.storage->name());
  return made;
}

}  // namespace platter::iso
