// Where a differencing image says its parent is.
#pragma once

#include <string_view>
#include <vector>

#include "formats/core/reference.h"
#include "formats/core/result.h"
#include "formats/core/storage.h"
#include "formats/vhd/header.h"

namespace platter::vhd {

// The places to look, as names that a host with slashes opens, in the order of trying: relative locators, absolute
// ones, the parent's name from the header, and last the bare file names of all of these, beside the image. None where
// the image says nothing. Locators that lie outside the file are passed over. kIo.
Result<std::vector<Reference>> ParentReferences(Storage& storage, const SparseHeader& header);

// "dir/base.vhd" of ".\dir\base.vhd", "/dir/base.vhd" of "C:\dir\base.vhd".
std::string PathFromWindows(std::string_view path);

}  // namespace platter::vhd
