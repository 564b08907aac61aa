// Files out of an image into a folder on the host. Everything that the image says is untrusted: nothing is written
// outside the folder, and nothing that is there is written over.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "formats/core/file_tree.h"

namespace platter::cli {

class Extraction {
 public:
  // `complain` is told of each entry that was not extracted, or is damaged, with its path. `interrupted` ends the work
  // with kCancelled.
  Extraction(FileTree& tree, const std::atomic<bool>& interrupted,
             std::function<void(const std::string& path, const std::string& why)> complain);
  ~Extraction();
  Extraction(const Extraction&) = delete;
  Extraction& operator=(const Extraction&) = delete;

  // The folder to write below; made when missing (its parent must be there).
  Result<> OpenFolder(const std::string& folder);
  // The entry at `path` in the image and all below it, to the same path below the folder. Existing folders are used,
  // anything else that exists is left alone and complained about. Owners are not kept, nor are setuid bits; devices,
  // pipes and sockets are not made.
  Result<> Extract(const std::string& path);
  // Times of folders, once everything is in them.
  void Finish();

 private:
  struct Folder {
    std::string path;
    std::int64_t modified;
  };

  // Whether the entry is there now.
  Result<bool> Take(const std::string& path, const TreeEntry& entry);
  Result<> Make(int parent, const std::string& name, const std::string& path, const TreeEntry& entry);
  Result<> MakeFile(int parent, const std::string& name, const std::string& path, const TreeEntry& entry);
  Result<> Fill(int file, const TreeEntry& entry);
  Result<> MakeFolders(const std::vector<std::string>& components);
  // A folder below the one that was opened; no symbolic link on the way is followed.
  Result<int> OpenBelow(const std::vector<std::string>& components) const;

  FileTree& tree_;
  const std::atomic<bool>& interrupted_;
  std::function<void(const std::string&, const std::string&)> complain_;
  int folder_ = -1;
  std::vector<Folder> folders_;
  std::string parent_path_;  // of parent_
  int parent_ = -1;          // the folder that the last entry went into
};

}  // namespace platter::cli
