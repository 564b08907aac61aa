#include <array>

#include "tools/platter/verb.h"

namespace platter::cli {
namespace {

constexpr std::array kVerbs = {
    Verb{
        .name = "compare",
        .summary = "do two images hold the same guest disk?",
        .usage = "[--image-opts] [-f fmt] [-F fmt] [-T src_cache] [-p] [-q] [-s] [-U] filename1 filename2",
        .options = "  -f FORMAT           the first image's format; recognised by content unless said\n"
                   "  -F FORMAT           the second image's format\n"
                   "  --image-opts        both names are lists of options: driver=qcow2,file.filename=a.qcow2\n"
                   "  -s                  sizes and allocation have to agree too\n"
                   "  -T CACHE            cache mode for reading\n"
                   "  -p                  show progress\n"
                   "  -q                  say nothing; the exit code tells: 0 same, 1 different\n"
                   "  -U, --force-share   read them even though another process has them locked\n",
        .run = RunCompare,
    },
    Verb{
        .name = "convert",
        .summary = "move a guest disk from one image to another",
        .usage =
            "[--target-image-opts] [--image-opts] [--target-is-zero] [--bitmaps [--skip-broken-bitmaps]] [-U] [-C] "
            "[-c] [-p] [-q] [-n] [-f fmt] [-t cache] [-T src_cache] [-O output_fmt] [-B backing_file [-F "
            "backing_fmt]] [-o options] [-l snapshot_param] [-S sparse_size] [-r rate_limit] [-m num_coroutines] "
            "[-W] [--salvage] filename [filename2 [...]] output_filename",
        .options =
            "  -f FORMAT           the sources' format; recognised by content unless said\n"
            "  -O FORMAT           the target's format; raw unless said\n"
            "  -o OPTIONS          options of the new image; -o help lists them\n"
            "  -B FILE, -F FORMAT  the new image's backing file and its format: copy only what differs from it\n"
            "  -c                  compress\n"
            "  -n                  write into an existing image\n"
            "  --target-is-zero    with -n: the existing image reads as zero, leave zeros out\n"
            "  -l SNAPSHOT         convert an internal snapshot: id, name or snapshot.id=..,snapshot.name=..\n"
            "  --bitmaps           copy persistent dirty bitmaps too; --skip-broken-bitmaps without broken ones\n"
            "  -S SIZE             find runs of zeros of that length (4k); 0 writes everything\n"
            "  -C                  let the host copy (reflink, copy_file_range) where it can\n"
            "  -m NUMBER           workers, 1 to 16; -W is accepted: writes are never held back for order\n"
            "  -r RATE             bytes per second at most\n"
            "  -t CACHE, -T CACHE  cache modes of target (unsafe) and source (writeback)\n"
            "  --salvage           what cannot be read becomes zeros, with a warning\n"
            "  --image-opts, --target-image-opts   names are lists of options: driver=raw,file.filename=a\n"
            "  -p, -q              show progress; say nothing\n"
            "  -U, --force-share   read sources even though another process has them locked\n",
        .run = RunConvert,
    },
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
