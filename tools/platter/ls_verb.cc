// platter ls: the files inside an image.
#include <fmt/chrono.h>
#include <fmt/format.h>

#include <ctime>
#include <string>

#include "tools/platter/argument_parser.h"
#include "tools/platter/json_output.h"
#include "tools/platter/message.h"
#include "tools/platter/volume_source.h"
#include "tools/print.h"

namespace platter::cli {
namespace {

struct LsArguments {
  ImageArgument image;
  std::string path;
  std::string tree;
  OutputFormat output = OutputFormat::kHuman;
  bool details = false;    // -l
  bool recursive = false;  // -R
};

constexpr option kOptions[] = {
    {"disk", required_argument, nullptr, kDisk},     {"format", required_argument, nullptr, 'f'},
    {"output", required_argument, nullptr, kOutput}, {"tree", required_argument, nullptr, kTree},
    {"recursive", no_argument, nullptr, 'R'},        {"image-opts", no_argument, nullptr, kImageOpts},
    {"force-share", no_argument, nullptr, 'U'},
};

// False when the call is over; parser.exit_code() or 1 is then its exit code.
bool ParseArguments(const Invocation& call, ArgumentParser& parser, LsArguments& arguments) {
  std::string output = "human";
  while (const auto code = parser.Next()) {
    if (*code == 'f') arguments.image.format = parser.value();
    if (*code == kDisk) arguments.image.disk = parser.value();
    if (*code == 'l') arguments.details = true;
    if (*code == 'R') arguments.recursive = true;
    if (*code == 'U') arguments.image.force_share = true;
    if (*code == kImageOpts) arguments.image.image_opts = true;
    if (*code == kOutput) output = parser.value();
    if (*code == kTree) arguments.tree = parser.value();
  }
  if (parser.exit_code()) return false;
  const auto operands = parser.operands();
  if (operands.empty() || operands.size() > 2) {
    ComplainUsage(call.persona, "Expecting an image file name and at most one path in it");
    return false;
  }
  arguments.image.text = operands[0];
  if (operands.size() == 2) arguments.path = operands[1];
  const auto form = ParseOutputFormat(call.persona, output);
  if (form) arguments.output = *form;
  return form.has_value();
}

std::string ModeText(const TreeEntry& entry) {
  constexpr std::string_view kKinds = "-dlbcps";
  constexpr std::string_view kBits = "rwxrwxrwx";
  std::string text(1, kKinds[static_cast<std::size_t>(entry.kind)]);
  for (std::size_t at = 0; at < kBits.size(); ++at) text += (entry.mode >> (8 - at) & 1U) != 0 ? kBits[at] : '-';
  const auto special = [&](std::uint32_t bit, std::size_t at, char set, char only) {
    if ((entry.mode & bit) != 0) text[at] = text[at] == 'x' ? set : only;
  };
  special(04000, 3, 's', 'S');
  special(02000, 6, 's', 'S');
  special(01000, 9, 't', 'T');
  return text;
}

std::string TimeText(std::int64_t seconds) {
  const auto time = static_cast<std::time_t>(seconds);
  std::tm parts{};
  if (gmtime_r(&time, &parts) == nullptr) return std::to_string(seconds);
  return fmt::format("{:%Y-%m-%d %H:%M:%S}", parts);
}

// Prints entries one by one: what has been printed takes no memory.
class Printer {
 public:
  explicit Printer(const LsArguments& arguments) : arguments_(arguments) {}

  void Begin() {
    if (json()) PrintText("[");
  }
  void End() {
    if (json()) PrintText("{}]\n", first_ ? "" : "\n");
  }

  // A directory's heading, as `ls -R` prints it.
  void Heading(const std::string& path) {
    if (json() || !arguments_.recursive) return;
    PrintText("{}{}:\n", first_ ? "" : "\n", path.empty() ? "/" : PrintableName(path));
    first_ = false;
  }

  void Entry(const std::string& path, const TreeEntry& entry) {
    if (json()) {
      PrintText("{}\n    {}", first_ ? "" : ",", ToCompactJson(DetailOf(path, entry)));
    } else {
      PrintText("{}\n", Line(entry));
    }
    first_ = false;
  }

 private:
  bool json() const noexcept { return arguments_.output == OutputFormat::kJson; }

  std::string Line(const TreeEntry& entry) const {
    std::string name = PrintableName(entry.name.empty() ? "/" : entry.name);
    if (!arguments_.details) return name;
    std::string line = fmt::format("{} {:>3} {:>5} {:>5} {:>12} {} {}", ModeText(entry), entry.links, entry.user,
                                   entry.group, entry.size, TimeText(entry.modified), name);
    if (entry.kind == FileKind::kSymbolicLink) line += " -> " + PrintableName(entry.target);
    return line;
  }

  static Detail DetailOf(const std::string& path, const TreeEntry& entry) {
    Detail detail;
    detail.Add("path", path).Add("type", FileKindName(entry.kind)).Add("size", entry.size);
    detail.Add("mode", fmt::format("{:04o}", entry.mode)).Add("uid", entry.user).Add("gid", entry.group);
    detail.Add("links", entry.links).Add("mtime", entry.modified).Add("inode", entry.inode);
    if (entry.kind == FileKind::kSymbolicLink) detail.Add("target", entry.target);
    if (!entry.damage.empty()) detail.Add("damage", entry.damage);
    return detail;
  }

  const LsArguments& arguments_;
  bool first_ = true;
};

std::string Below(const std::string& path, const std::string& name) {
  return path.empty() || path.ends_with('/') ? path + name : path + "/" + name;
}

// Prints what there is, and complains of what is not as it should be.
class Listing {
 public:
  Listing(FileTree& tree, const LsArguments& arguments, const Persona& persona)
      : tree_(tree), arguments_(arguments), persona_(persona), printer_(arguments) {}

  // Whether everything was in order.
  Result<bool> Run(const TreeEntry& top) {
    printer_.Begin();
    if (top.kind != FileKind::kDirectory) {
      Show(arguments_.path, top);
    } else if (arguments_.recursive) {
      PLATTER_CHECK(Walk(top));
    } else {
      const auto listed = tree_.List(top, [this](const TreeEntry& entry) -> Result<bool> {
        Show(Below(arguments_.path, entry.name), entry);
        return true;
      });
      if (!listed.ok()) Broken(arguments_.path, ReasonOf(listed.error()));
    }
    printer_.End();
    return whole_;
  }

 private:
  Result<> Walk(const TreeEntry& top) {
    TreeVisitor visitor;
    visitor.enter = [this](const std::string& path, const TreeEntry&) -> Result<> {
      printer_.Heading(path);
      return Done{};
    };
    visitor.entry = [this](const std::string& path, const TreeEntry& entry) -> Result<bool> {
      Show(path, entry);
      return true;
    };
    visitor.broken = [this](const std::string& path, const Error& error) { Broken(path, ReasonOf(error)); };
    return WalkTree(tree_, top, arguments_.path, {}, visitor);
  }

  void Show(const std::string& path, const TreeEntry& entry) {
    printer_.Entry(path, entry);
    if (!entry.damage.empty()) Broken(path, entry.damage);
  }

  void Broken(const std::string& path, const std::string& why) {
    Complain(persona_, fmt::format("{}: {}", PrintableName(path.empty() ? "/" : path), why));
    whole_ = false;
  }

  FileTree& tree_;
  const LsArguments& arguments_;
  const Persona& persona_;
  Printer printer_;
  bool whole_ = true;
};

}  // namespace

int RunLs(const Invocation& call) {
  ArgumentParser parser(call, "f:lRU", kOptions);
  LsArguments arguments;
  if (!ParseArguments(call, parser, arguments)) return parser.exit_code().value_or(1);
  const auto source = VolumeSource::Open(arguments.image, arguments.tree);
  if (!source.ok()) {
    ComplainOpen(call.persona, arguments.image.text, source.error());
    return 1;
  }
  const auto top = FindEntry(source.value().tree(), arguments.path, arguments.path.ends_with('/'));
  if (!top.ok()) {
    Complain(call.persona, ReasonOf(top.error()));
    return 1;
  }
  const auto listed = Listing(source.value().tree(), arguments, call.persona).Run(top.value());
  if (listed.ok()) return listed.value() ? 0 : 1;
  Complain(call.persona, ReasonOf(listed.error()));
  return 1;
}

}  // namespace platter::cli
