#include <array>

#include "tools/platter/verb.h"

namespace platter::cli {
namespace {

constexpr std::array kVerbs = {
    Verb{
        .name = "info",
        .summary = "what an image is: format, sizes, backing file, snapshots",
        .usage = "[--image-opts] [-f fmt] [--output=ofmt] [--backing-chain] [-U] filename",
        .options = "  -f FORMAT           the image's format; recognised by content unless said\n"
                   "  --image-opts        FILENAME is a list of options: driver=qcow2,file.filename=a.qcow2\n"
                   "  --output FORM       human or json\n"
                   "  --backing-chain     the same for every image below\n"
                   "  -U, --force-share   read it even though another process has it locked\n",
        .run = RunInfo,
    },
};

}  // namespace

std::span<const Verb> AllVerbs() noexcept { return kVerbs; }

}  // namespace platter::cli
