// Reads an image with one of the libyal libraries, for the differential harnesses: in a process of its own, so that a
// crash of theirs is not one of ours, with bounds on memory and time.
//
// usage: platter_fuzz_peer qcow|vhdi|vmdk FD   the guest disk's size (u64, little-endian) and its first bytes go to the
// standard output; 1 when the library refuses the image, fewer bytes when it cannot read on.
#include <libbfio.h>
#include <libqcow.h>
#include <libvhdi.h>
#include <libvmdk.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include "fuzz/peer/protocol.h"

namespace {

libbfio_handle_t* Memory(std::uint8_t* bytes, std::size_t size) {
  libbfio_handle_t* handle = nullptr;
  const bool good = libbfio_memory_range_initialize(&handle, nullptr) == 1 &&
                    libbfio_memory_range_set(handle, bytes, size, nullptr) == 1;
  return good ? handle : nullptr;
}

// Sends the size, then bytes as `read` delivers them.
template <class Read>
int Send(std::uint64_t size, Read read) {
  std::uint8_t head[8];
  for (unsigned at = 0; at < 8; ++at) head[at] = static_cast<std::uint8_t>(size >> (8 * at));
  if (write(STDOUT_FILENO, head, sizeof head) != sizeof head) return 1;
  std::vector<std::uint8_t> bytes(65536);
  for (std::uint64_t at = 0; at < std::min(size, platter::fuzz::kPeerReads);) {
    const std::uint64_t wanted = std::min<std::uint64_t>(bytes.size(), std::min(size, platter::fuzz::kPeerReads) - at);
    const ssize_t count = read(bytes.data(), wanted, static_cast<off64_t>(at));
    if (count <= 0 || write(STDOUT_FILENO, bytes.data(), static_cast<std::size_t>(count)) != count) break;
    at += static_cast<std::uint64_t>(count);
  }
  // Nothing is freed: the process ends, and what destructors might do wrong is of no interest.
  _exit(0);
}

int ReadQcow(const std::string& path) {
  libqcow_file_t* file = nullptr;
  size64_t size = 0;
  const bool good = libqcow_file_initialize(&file, nullptr) == 1 &&
                    libqcow_file_open(file, path.c_str(), LIBQCOW_OPEN_READ, nullptr) == 1 &&
                    libqcow_file_get_media_size(file, &size, nullptr) == 1;
  if (!good) return 1;
  return Send(size, [file](std::uint8_t* bytes, std::size_t count, off64_t at) {
    return libqcow_file_read_buffer_at_offset(file, bytes, count, at, nullptr);
  });
}

int ReadVhdi(const std::string& path) {
  libvhdi_file_t* file = nullptr;
  size64_t size = 0;
  const bool good = libvhdi_file_initialize(&file, nullptr) == 1 &&
                    libvhdi_file_open(file, path.c_str(), LIBVHDI_OPEN_READ, nullptr) == 1 &&
                    libvhdi_file_get_media_size(file, &size, nullptr) == 1;
  if (!good) return 1;
  return Send(size, [file](std::uint8_t* bytes, std::size_t count, off64_t at) {
    return libvhdi_file_read_buffer_at_offset(file, bytes, count, at, nullptr);
  });
}

// The files that a descriptor names are never opened: its first extent lies in the image itself, or nowhere.
int ReadVmdk(libbfio_handle_t* memory, libbfio_handle_t* extent) {
  libvmdk_handle_t* file = nullptr;
  libbfio_pool_t* pool = nullptr;
  int entry = 0;
  size64_t size = 0;
  const bool good = libbfio_pool_initialize(&pool, 0, 4, nullptr) == 1 &&
                    libbfio_pool_append_handle(pool, &entry, extent, LIBBFIO_OPEN_READ, nullptr) == 1 &&
                    libvmdk_handle_initialize(&file, nullptr) == 1 &&
                    libvmdk_handle_open_file_io_handle(file, memory, LIBVMDK_OPEN_READ, nullptr) == 1 &&
                    libvmdk_handle_open_extent_data_files_file_io_pool(file, pool, nullptr) == 1 &&
                    libvmdk_handle_get_media_size(file, &size, nullptr) == 1;
  if (!good) return 1;
  return Send(size, [file](std::uint8_t* bytes, std::size_t count, off64_t at) {
    return libvmdk_handle_read_buffer_at_offset(file, bytes, count, at, nullptr);
  });
}

void Confine() {
  const rlimit memory{std::uint64_t{512} << 20, std::uint64_t{512} << 20};
  const rlimit seconds{2, 2};
  const rlimit none{0, 0};
  setrlimit(RLIMIT_AS, &memory);
  setrlimit(RLIMIT_CPU, &seconds);
  setrlimit(RLIMIT_CORE, &none);
  alarm(5);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3) return 2;
  Confine();
  const std::string path = std::string("/proc/self/fd/") + argv[2];
  const std::string_view library = argv[1];
  if (library == "qcow") return ReadQcow(path);
  if (library == "vhdi") return ReadVhdi(path);
  const int fd = std::atoi(argv[2]);
  struct stat about {};
  if (fstat(fd, &about) != 0 || about.st_size == 0) return 1;
  const auto size = static_cast<std::size_t>(about.st_size);
  void* bytes = mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE, fd, 0);
  if (bytes == MAP_FAILED) return 2;
  auto* const start = static_cast<std::uint8_t*>(bytes);
  return ReadVmdk(Memory(start, size), Memory(start, size));
}
