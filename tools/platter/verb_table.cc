#include <algorithm>
#include <array>

#include "tools/platter/verb.h"

namespace platter::cli {
namespace {

constexpr std::array kVerbs = {
    Verb{
        .name = "amazon",
        .summary = "a disk to file system, kernel and ramdisk (ami, aki, ari), and back",
        .usage =
            "split [-f fmt] [--image-opts] [-U] -d out [--partition number] [--kernel version] [--force] [-q] disk | "
            "join [-f fmt] [-U] --ami ami --aki aki [--ari ari] [--append options] [-O output_fmt] [-o options] [-c] "
            "[-q] "
            "output_filename",
        .options =
            "split takes a disk apart: OUT.ami, the root file system as a raw sparse image; OUT.aki and OUT.ari, the\n"
            "kernel and the initial ramdisk of its /boot (ext2, ext3 and ext4; a /boot partition, too).\n"
            "  -d OUT              the three files' name without its end\n"
            "  --partition NUMBER  the root partition; found by its content unless said\n"
            "  --kernel VERSION    the kernel: version, file name or path; the newest unless said\n"
            "  --force             replace files that are there\n"
            "  -f FORMAT           the disk's format; recognised by content unless said\n"
            "  --image-opts        DISK is a list of options: driver=qcow2,file.filename=a.qcow2\n"
            "  -U, --force-share   read it even though another process has it locked, or changes it\n"
            "  -q                  print nothing but errors\n"
            "join makes one bootable disk of them: an MBR, a boot partition with syslinux, kernel and ramdisk, and the "
            "root\n"
            "partition. It takes the programs of mtools and syslinux, and an x86 kernel.\n"
            "  --ami, --aki, --ari FILE   the root file system (in any format), the kernel, the initial ramdisk\n"
            "  --append OPTIONS    more for the kernel's command line (root=PARTUUID=.. ro console=tty0 "
            "console=ttyS0)\n"
            "  -f FORMAT           the ami's format; recognised by content unless said\n"
            "  -U, --force-share   read the parts even though another process has them locked, or changes them\n"
            "  -O FORMAT           the target's format; raw unless said\n"
            "  -o OPTIONS, -c      options of the new image; compress it\n"
            "  -q                  print nothing but errors\n",
        .run = RunAmazon,
        .ours = true,
    },
    Verb{
        .name = "audit",
        .summary = "are the images of a store what was recorded of them?",
        .usage =
            "[--digest name] [-C folder] [-m number] [--rate rate] [--state file [--resume]] [--strict] [-p] [-q | "
            "-v] [--output=ofmt] folder|list ...",
        .options =
            "A LIST has lines as sha256sum, sha256sum --tag, openssl and this tool's hash write them; - is the "
            "standard\n"
            "input. In a FOLDER, and below, lists are found by their names: SHA256SUMS, MD5SUMS.txt, CHECKSUM,\n"
            "x-CHECKSUM, disk.img.sha256, ...; their names are relative to where they lie. A file that several lists\n"
            "name is read once.\n"
            "  --digest NAME       the digest of lines that do not say theirs; by the list's name or the length "
            "otherwise\n"
            "  -C FOLDER           what names in a LIST are relative to (the current folder)\n"
            "  -m NUMBER           files that are read at once, 1 to 64; as many as fill the lanes unless said. Disks "
            "that\n"
            "                      turn want few\n"
            "  --rate RATE         bytes per second that are read at most, all files together\n"
            "  --state FILE        keep in FILE what is verified; it is removed when the audit comes to its end\n"
            "  --resume            go on where the audit that left the state was interrupted or killed\n"
            "  --strict            lines that make no sense, and files in no list, are failures\n"
            "  -p                  show progress, on the standard error stream\n"
            "  -q                  say nothing when all is in order\n"
            "  -v                  name files that are in order, files in no list and lines that make no sense, too\n"
            "  --output FORM       human or json\n"
            "Exit code: 0 all as recorded, 1 the audit could not be done, 2 something is not as recorded, missing, "
            "unreadable\n"
            "or changed while it was read, 3 interrupted.\n",
        .run = RunAudit,
        .ours = true,
    },
    Verb{
        .name = "cat",
        .summary = "print files that are inside an image",
        .usage = "[--image-opts] [-f fmt] [--tree names] [-U] filename path ...",
        .options = "  -f FORMAT           the image's format; recognised by content unless said\n"
                   "  --disk DISK         which disk of an OVA or OVF: its number from 1 on, id or file name\n"
                   "  --tree NAMES        whose names, where a volume has several: rock-ridge, udf, joliet,\n"
                   "                      iso9660-1999, iso9660\n"
                   "  --image-opts        FILENAME is a list of options: driver=qcow2,file.filename=a.qcow2\n"
                   "  -U, --force-share   read it even though another process has it locked, or changes it\n"
                   "The image is an ISO (ISO 9660, UDF), or a disk in any format that holds one.\n",
        .run = RunCat,
        .ours = true,
    },
    Verb{
        .name = "check",
        .summary = "whether an image's metadata is sound; repairs it",
        .usage = "[--image-opts] [-q] [-f fmt] [--output=ofmt] [-r [leaks | all]] [-T src_cache] [-U] filename",
        .options =
            "  -f FORMAT           the image's format; recognised by content unless said\n"
            "  --image-opts        FILENAME is a list of options: driver=qcow2,file.filename=a.qcow2\n"
            "  --output FORM       human or json\n"
            "  -r leaks|all        repair leaked clusters only, or everything\n"
            "  -q                  print nothing but errors\n"
            "  -T CACHE            cache mode\n"
            "  -U, --force-share   read it even though another process has it locked\n"
            "Exit code: 0 sound, 1 the check failed, 2 corruptions, 3 leaked clusters only, 63 no check for this "
            "format.\n",
        .run = RunCheck,
    },
    Verb{
        .name = "compare",
        .summary = "do two images hold the same guest disk?",
        .usage = "[--image-opts] [-f fmt] [-F fmt] [-T src_cache] [-p] [-q] [-s] [-U] filename1 filename2",
        .options =
            "  -f FORMAT           the first image's format; recognised by content unless said\n"
            "  -F FORMAT           the second image's format\n"
            "  --disk DISK         which disk of the first, an OVA or OVF: its number from 1 on, id or file name\n"
            "  --image-opts        both names are lists of options: driver=qcow2,file.filename=a.qcow2\n"
            "  -s                  sizes and allocation have to agree too\n"
            "  -T CACHE            cache mode for reading\n"
            "  -p                  show progress\n"
            "  -q                  say nothing; the exit code tells: 0 same, 1 different\n"
            "  --digest NAME       compare by the block hash (see hash), and print it: a longer disk is another then\n"
            "  --digest NAME:HEX   is the one disk what was recorded of it?\n"
            "  --guest             with --digest: the digest of the guest's bytes instead\n"
            "  --block-size SIZE   with --digest: of the block hash; 64k unless said\n"
            "  -U, --force-share   read them even though another process has them locked, or changes them\n",
        .run = RunCompare,
        .failure = 2,
    },
    Verb{
        .name = "convert",
        .summary = "move a guest disk from one image to another",
        .usage =
            "[--target-image-opts] [--image-opts] [--target-is-zero] [--bitmaps [--skip-broken-bitmaps]] [-U] [-C] "
            "[-c] [-p] [-q] [-n] [-f fmt] [-t cache] [-T src_cache] [-O output_fmt] [-B backing_file [-F "
            "backing_fmt]] [-o options] [-l snapshot_param] [-S sparse_size] [-r rate_limit] [-m num_coroutines] "
            "[-W] [--salvage] [--no-reflink] [--recompress] [--compression-level level] [--name name] [--cpus n] "
            "[--memory size] [--os os] [--network network] [--firmware bios|efi] filename [filename2 [...]] "
            "output_filename",
        .options =
            "  -f FORMAT           the sources' format; recognised by content unless said\n"
            "  --disk DISK         which disk of an OVA or OVF: its number from 1 on, id or file name\n"
            "  -                   as the source: an OVA on the standard input, read as it passes by\n"
            "  -O FORMAT           the target's format; raw unless said\n"
            "  -o OPTIONS          options of the new image; -o help lists them\n"
            "  --name, --cpus, --memory, --os, --network, --firmware VALUE   of a new OVA: the same as -o name=VALUE\n"
            "  -B FILE, -F FORMAT  the new image's backing file and its format: copy only what differs from it\n"
            "  -c                  compress\n"
            "  --compression-level N   1 (fastest, the default) to 9 for zlib, to 22 for zstd\n"
            "  --recompress        inflate and compress again, even where compressed clusters or grains could move as\n"
            "                      they are; so do -S, --salvage, --digest and --compression-level\n"
            "  -n                  write into an existing image\n"
            "  --target-is-zero    with -n: the existing image reads as zero, leave zeros out\n"
            "  -l SNAPSHOT         convert an internal snapshot: id, name or snapshot.id=..,snapshot.name=..\n"
            "  --bitmaps           copy persistent dirty bitmaps too; --skip-broken-bitmaps without broken ones\n"
            "  -S SIZE             find runs of zeros of that length (4k); 0 writes everything\n"
            "  -C                  let the host copy (copy_file_range) where it can\n"
            "  --no-reflink        copy, even where files can share blocks; so do -S, -r and --salvage\n"
            "  -m NUMBER           workers, 1 to 16; -W is accepted: writes are never held back for order\n"
            "  -r RATE             bytes per second at most\n"
            "  -t CACHE, -T CACHE  cache modes of target (unsafe) and source (writeback)\n"
            "  --salvage           what cannot be read becomes zeros, with a warning\n"
            "  --image-opts, --target-image-opts   names are lists of options: driver=raw,file.filename=a\n"
            "  -p, -q              show progress; say nothing\n"
            "  --digest NAMES      print digests of the guest disk, computed on the way: md5, sha256, ... as of hash\n"
            "  --file-digest NAMES print digests of the new image's files, for sha256sum --check and its like\n"
            "  -U, --force-share   read sources even though another process has them locked, or changes them\n",
        .run = RunConvert,
    },
    Verb{
        .name = "create",
        .summary = "an empty image",
        .usage = "[-q] [-f fmt] [-b backing_file [-F backing_fmt]] [-u] [-o options] filename [size] | [-q] [-f iso] "
                 "--from folder [-V label] [--joliet] [--rock] [--boot path] [--efi-boot path] [-o options] filename",
        .options = "  -f FORMAT           the new image's format (raw)\n"
                   "  -o OPTIONS          the format's options: name=value,...; -o help lists them\n"
                   "  -b FILE, -F FORMAT  the backing file and its format\n"
                   "  -u                  do not open the backing file; SIZE is then needed\n"
                   "  -q                  print nothing but errors\n"
                   "Without SIZE the backing file's size is taken.\n"
                   "An ISO of a folder's files:\n"
                   "  --from FOLDER       whose files\n"
                   "  -V LABEL            the volume's name: cidata, config-2, ...\n"
                   "  --joliet, --rock    one kind of long names only; without either both are written\n"
                   "  --boot PATH         a file of the folder that a BIOS boots\n"
                   "  --efi-boot PATH     a file of the folder, a FAT file system, that UEFI boots\n",
        .run = RunCreate,
    },
    Verb{
        .name = "docker",
        .summary = "a container image to a disk with a file system, and back",
        .usage = "flatten [--image image] [--platform platform] [--size size] [--label label] [-O output_fmt] "
                 "[-o options] [-c] [-p] [-q] archive output_filename | wrap [-f fmt] [--image-opts] [-U] "
                 "[--partition number] [-t name:tag] [--platform platform] [--entrypoint words] [--cmd words] "
                 "[-e name=value] [--user user] [--workdir folder] [--expose port] [--volume folder] "
                 "[--label key=value] [--author author] [--created time] [--compression name] [-q] disk archive",
        .options =
            "flatten lays the layers of an image over each other and makes a disk of them: one ext4 file system, "
            "without "
            "a\n"
            "partition table. ARCHIVE is what docker save writes, or an OCI image layout, in a tar or as a folder.\n"
            "  --image IMAGE       which image, where there are several: its number from 1 on, name:tag, or digest\n"
            "  --platform PLATFORM the image for OS/ARCHITECTURE[/VARIANT], or ARCHITECTURE alone\n"
            "  --size SIZE         of the file system; unless said, a quarter of it stays free, and at least 64M\n"
            "  --label LABEL       of the file system, at most 16 bytes\n"
            "  -O FORMAT           the target's format; raw unless said\n"
            "  -o OPTIONS, -c      options of the new image; compress it\n"
            "  -p, -q              show progress; print nothing but errors\n"
            "wrap makes an archive of one image with one layer of the files in DISK, an ext2, ext3 or ext4 file system "
            "or "
            "a\n"
            "disk with one: what docker load, skopeo (docker-archive:, oci-archive:) and others read. The same files "
            "and\n"
            "options make the same archive.\n"
            "  -t, --tag NAME:TAG  what the image is called; may be given several times\n"
            "  --platform PLATFORM OS/ARCHITECTURE[/VARIANT]; unless said, linux and what its programs are for\n"
            "  --entrypoint WORDS, --cmd WORDS   what it runs: a JSON list of words, or a line for /bin/sh\n"
            "  -e, --env NAME=VALUE, --expose PORT, --volume FOLDER, --label KEY=VALUE   each may be given several "
            "times\n"
            "  --user USER, --workdir FOLDER, --author AUTHOR\n"
            "  --created TIME      1970-01-01T00:00:00Z unless said\n"
            "  --compression NAME  of the layer: gzip (unless said), zstd or none\n"
            "  --partition NUMBER  the root partition; found by its content unless said\n"
            "  -f FORMAT           the disk's format; recognised by content unless said\n"
            "  --image-opts        DISK is a list of options: driver=qcow2,file.filename=a.qcow2\n"
            "  -U, --force-share   read it even though another process has it locked, or changes it\n",
        .run = RunDocker,
        .ours = true,
    },
    Verb{
        .name = "extract",
        .summary = "copy files out of an image into a folder",
        .usage = "[--image-opts] [-f fmt] [--tree names] [-U] [-C folder] filename [path ...]",
        .options = "  -C FOLDER           where to (the current folder); made when missing\n"
                   "  -f FORMAT           the image's format; recognised by content unless said\n"
                   "  --disk DISK         which disk of an OVA or OVF: its number from 1 on, id or file name\n"
                   "  --tree NAMES        whose names, where a volume has several: rock-ridge, udf, joliet,\n"
                   "                      iso9660-1999, iso9660\n"
                   "  --image-opts        FILENAME is a list of options: driver=qcow2,file.filename=a.qcow2\n"
                   "  -U, --force-share   read it even though another process has it locked, or changes it\n"
                   "Without a PATH everything is extracted. Nothing is written outside the folder, nothing that is\n"
                   "there is written over; exit code 1 when something was left out.\n",
        .run = RunExtract,
        .ours = true,
    },
    Verb{
        .name = "hash",
        .summary = "digests of files, and of guest disks whatever their format",
        .usage =
            "[--digest names] [--file | --guest | --block [--block-size size]] [-f fmt] [--image-opts] [-p] [-U] "
            "[--output=ofmt] [--check list [-q | --status | -w] [--strict] [--ignore-missing] | [--tag] filename ...]",
        .options =
            "  --digest NAMES      md5, sha1, sha224, sha256 (unless said), sha384, sha512, blake2b, blake2s, "
            "sha3-256,\n"
            "                      sha3-512, crc32c, xxh3; several, with commas between, are computed in one pass\n"
            "  --file              the file's own bytes, as sha256sum; so unless said. - is the standard input\n"
            "  --guest             the bytes of the guest disk: what sha256sum says of the disk as a raw image\n"
            "  --block             the guest disk's block hash, as blksum prints it: zeros cost next to nothing\n"
            "  --block-size SIZE   a power of two from 512 to 16M; 64k unless said\n"
            "  --check LIST        are the files what the list says? Lines as this verb, sha256sum and openssl write "
            "them;\n"
            "                      - is the standard input. --guest and --block as when the list was made\n"
            "  -q, --quiet         with --check: say nothing of files that are in order; --status: say nothing at all; "
            "-w,\n"
            "                      --warn: name each line that makes no sense. The last of them counts\n"
            "  --strict            with --check: lines that make no sense are a failure\n"
            "  --ignore-missing    with --check: pass over files that are not there\n"
            "  --tag               lines of the form SHA256 (name) = digest for one digest, too\n"
            "  -f FORMAT           the image's format; recognised by content unless said\n"
            "  --disk DISK         which disk of an OVA or OVF: its number from 1 on, id or file name\n"
            "  --image-opts        names are lists of options: driver=qcow2,file.filename=a.qcow2\n"
            "  --output FORM       human or json\n"
            "  -p                  show progress, on the standard error stream\n"
            "  -U, --force-share   read it even though another process has it locked, or changes it\n"
            "One digest is printed as sha256sum prints it, several with their names. Exit code: 0, or 1 when a file "
            "could not\n"
            "be read or is not what the list says.\n",
        .run = RunHash,
        .ours = true,
    },
    Verb{
        .name = "info",
        .summary = "what an image is: format, sizes, backing file, snapshots; what a container holds",
        .usage = "[--image-opts] [-f fmt] [--output=ofmt] [--backing-chain] [-U] filename",
        .options = "  -f FORMAT           the image's format; recognised by content unless said\n"
                   "  --image-opts        FILENAME is a list of options: driver=qcow2,file.filename=a.qcow2\n"
                   "  --output FORM       human or json\n"
                   "  --backing-chain     the same for every image below\n"
                   "  -U, --force-share   read it even though another process has it locked\n",
        .run = RunInfo,
    },
    Verb{
        .name = "inspect",
        .summary = "is an upload what it claims to be, and safe to take?",
        .usage = "[--expect-disk fmt] [--expect-container name] [--policy file] [--depth streaming|full] "
                 "[--output=ofmt] [--allow-formats list] [--max-virtual-size size] [--max-ratio number] "
                 "[--allow-references] [--allow-ambiguous] [--allow-truncated] [--allow-encrypted] filename|-",
        .options = "  --expect-disk FORMAT      what the image was declared to be: a format, ami, aki or ari\n"
                   "  --expect-container NAME   ova, ovf, docker, ...; bare unless said\n"
                   "  --policy FILE             lines of key = value; the keys are these options with underscores\n"
                   "  --depth DEPTH             streaming: what a stream can be judged by (always of -); full: all "
                   "tables\n"
                   "  --output FORM             human or json\n"
                   "  --allow-formats LIST      formats to take; raw,qcow2,vhd,vhdx,vmdk,vdi,iso,ploop unless said\n"
                   "  --max-virtual-size SIZE   the largest disk to take\n"
                   "  --max-ratio NUMBER        how many times as large as its file a disk may be\n"
                   "  --allow-references        take images that name other files\n"
                   "  --allow-ambiguous         take files that are several formats at once\n"
                   "  --allow-truncated         take files whose end is missing\n"
                   "  --allow-encrypted         take images whose content cannot be looked at\n"
                   "Exit code: 0 accepted, 1 refused, 2 could not be judged. - is the standard input.\n",
        .run = RunInspect,
        .ours = true,
        .failure = 2,
    },
    Verb{
        .name = "ls",
        .summary = "list the files inside an image",
        .usage = "[--image-opts] [-f fmt] [--tree names] [--output=ofmt] [-l] [-R] [-U] filename [path]",
        .options = "  -l                  modes, links, owners, sizes and times (UTC), too\n"
                   "  -R, --recursive     with everything below\n"
                   "  -f FORMAT           the image's format; recognised by content unless said\n"
                   "  --disk DISK         which disk of an OVA or OVF: its number from 1 on, id or file name\n"
                   "  --tree NAMES        whose names, where a volume has several: rock-ridge, udf, joliet,\n"
                   "                      iso9660-1999, iso9660\n"
                   "  --image-opts        FILENAME is a list of options: driver=qcow2,file.filename=a.qcow2\n"
                   "  --output FORM       human or json\n"
                   "  -U, --force-share   read it even though another process has it locked\n"
                   "The image is an ISO (ISO 9660, UDF), or a disk in any format that holds one.\n",
        .run = RunLs,
        .ours = true,
    },
    Verb{
        .name = "map",
        .summary = "which parts of the guest disk are stored, and where",
        .usage = "[--image-opts] [-f fmt] [--start-offset=offset] [--max-length=len] [--output=ofmt] [-U] filename",
        .options = "  -f FORMAT           the image's format; recognised by content unless said\n"
                   "  --disk DISK         which disk of an OVA or OVF: its number from 1 on, id or file name\n"
                   "  --image-opts        FILENAME is a list of options: driver=qcow2,file.filename=a.qcow2\n"
                   "  --output FORM       human or json\n"
                   "  -s, --start-offset OFFSET, -l, --max-length LENGTH\n"
                   "                      a part of the guest disk only\n"
                   "  -U, --force-share   read it even though another process has it locked\n",
        .run = RunMap,
    },
    Verb{
        .name = "measure",
        .summary = "how large a converted image would be",
        .usage = "[--output=ofmt] [-O output_fmt] [-o options] [--size N | [--image-opts] [-f fmt] [-l snapshot_param] "
                 "[-U] filename]",
        .options = "  -f FORMAT           the image's format; recognised by content unless said\n"
                   "  --disk DISK         which disk of an OVA or OVF: its number from 1 on, id or file name\n"
                   "  --image-opts        FILENAME is a list of options: driver=qcow2,file.filename=a.qcow2\n"
                   "  --output FORM       human or json\n"
                   "  -O FORMAT           the format to convert to (raw)\n"
                   "  -o OPTIONS          its options\n"
                   "  --size SIZE         measure an empty disk of that size; takes no FILENAME\n"
                   "  -l SNAPSHOT         measure an internal snapshot, by id or name\n"
                   "  -U, --force-share   read it even though another process has it locked\n",
        .run = RunMeasure,
    },
};

}  // namespace

std::span<const Verb> AllVerbs() noexcept { return kVerbs; }

const Verb* FindVerb(const Persona& persona, std::string_view name) noexcept {
  const auto verb = std::ranges::find(kVerbs, name, &Verb::name);
  return verb == kVerbs.end() || (verb->ours && persona.as_qemu) ? nullptr : &*verb;
}

}  // namespace platter::cli
