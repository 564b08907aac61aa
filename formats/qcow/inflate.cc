#include "formats/qcow/inflate.h"

#include <zlib.h>

#include <string>

namespace platter::qcow {

Result<> InflateCluster(std::span<const std::byte> in, std::span<std::byte> out) {
  z_stream stream{};
  stream.next_in = const_cast<Bytef*>(reinterpret_cast<const Bytef*>(in.data()));  // zlib does not write to it
  stream.avail_in = static_cast<uInt>(in.size());
  stream.next_out = reinterpret_cast<Bytef*>(out.data());
  stream.avail_out = static_cast<uInt>(out.size());
  if (inflateInit2(&stream, -MAX_WBITS) != Z_OK) return Error(ErrorKind::kLimit, "no memory to inflate a cluster");
  const int status = inflate(&stream, Z_FINISH);
  const std::string reason = stream.msg == nullptr ? "the stream ends before the cluster does" : stream.msg;
  inflateEnd(&stream);
  const bool sound = status == Z_STREAM_END || status == Z_BUF_ERROR || status == Z_OK;
  if (sound && stream.avail_out == 0) return Done{};
  return Error(ErrorKind::kCorrupt, "compressed cluster cannot be inflated: " + reason);
}

}  // namespace platter::qcow
