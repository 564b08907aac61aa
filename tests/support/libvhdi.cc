#include "tests/support/libvhdi.h"

#include <gtest/gtest.h>
#include <libvhdi.h>

#include <array>
#include <cstdint>
#include <span>

#include "tests/support/digest.h"

namespace platter::test {
namespace {

// The files of a chain, open, each with the next as its parent.
class VhdiChain {
 public:
  // "" or libvhdi's complaint.
  std::string Open(const std::vector<std::string>& chain) {
    for (const std::string& path : chain) {
      files_.push_back(nullptr);
      if (libvhdi_file_initialize(&files_.back(), &error_) != 1) return Complaint();
      if (libvhdi_file_open(files_.back(), path.c_str(), LIBVHDI_OPEN_READ, &error_) != 1) return Complaint();
    }
    for (std::size_t at = files_.size() - 1; at-- > 0;) {
      if (libvhdi_file_set_parent_file(files_[at], files_[at + 1], &error_) != 1) return Complaint();
    }
    return libvhdi_file_get_media_size(files_.front(), &size_, &error_) == 1 ? "" : Complaint();
  }
  ~VhdiChain() {
    for (libvhdi_file_t*& file : files_) libvhdi_file_free(&file, nullptr);
    libvhdi_error_free(&error_);
  }
  VhdiChain() = default;
  VhdiChain(const VhdiChain&) = delete;
  VhdiChain& operator=(const VhdiChain&) = delete;

  // "" or libvhdi's complaint.
  std::string AddTo(Sha256& digest) {
    std::vector<std::byte> bytes(65536);
    for (std::uint64_t at = 0; at < size_;) {
      const ssize_t count = libvhdi_file_read_buffer_at_offset(files_.front(), bytes.data(), bytes.size(),
                                                               static_cast<off64_t>(at), &error_);
      if (count <= 0) return Complaint();
      digest.Add(std::span(bytes).first(static_cast<std::size_t>(count)));
      at += static_cast<std::uint64_t>(count);
    }
    return "";
  }

 private:
  std::string Complaint() const {
    std::array<char, 1024> text{};
    libvhdi_error_sprint(error_, text.data(), text.size());
    return std::string("libvhdi: ") + text.data();
  }

  std::vector<libvhdi_file_t*> files_;
  libvhdi_error_t* error_ = nullptr;
  size64_t size_ = 0;
};

}  // namespace

std::string Sha256ByLibvhdi(const std::vector<std::string>& chain) {
  VhdiChain files;
  Sha256 digest;
  std::string complaint = files.Open(chain);
  if (complaint.empty()) complaint = files.AddTo(digest);
  EXPECT_EQ(complaint, "") << chain.front();
  return complaint.empty() ? digest.Hex() : "";
}

}  // namespace platter::test
