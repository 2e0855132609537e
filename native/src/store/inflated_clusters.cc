#include "store/inflated_clusters.h"

#include <zlib.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "store/limits.h"

namespace aurochs {

namespace {

// Without zlib's own header, whatever the window: qemu writes one of 4 KiB, others may take more.
constexpr int kRawDeflate = -MAX_WBITS;

// Whatever follows the end of the stream is another cluster's, or nothing.
bool Inflate(uint8_t* from, uint64_t compressed, uint8_t* to, uint64_t length) {
  z_stream stream{};
  if (inflateInit2(&stream, kRawDeflate) != Z_OK) return false;
  stream.next_in = from;
  stream.avail_in = static_cast<uInt>(compressed);
  stream.next_out = to;
  stream.avail_out = static_cast<uInt>(length);
  int result = inflate(&stream, Z_FINISH);
  bool is_whole = result == Z_STREAM_END && stream.avail_out == 0;
  inflateEnd(&stream);
  return is_whole;
}

}  // namespace

int InflatedClusters::Read(uint64_t file_offset, uint64_t compressed, uint64_t skip, uint64_t length,
                           uint8_t* data, const ReadFile& read) {
  Bytes bytes = Find(file_offset);
  if (bytes == nullptr) {
    std::unique_ptr<uint8_t[]> packed(new uint8_t[compressed]);
    if (int error = read(file_offset, compressed, packed.get())) return error;
    bytes.reset(new uint8_t[cluster_bytes_]);
    if (!Inflate(packed.get(), compressed, bytes.get(), cluster_bytes_)) return kDamaged;
    Keep(file_offset, bytes);
  }
  memcpy(data, bytes.get() + skip, length);
  return 0;
}

InflatedClusters::Bytes InflatedClusters::Find(uint64_t file_offset) {
  std::lock_guard lock(mutex_);
  auto found = std::find_if(kept_.begin(), kept_.end(),
                            [&](const Cluster& cluster) { return cluster.file_offset == file_offset; });
  if (found == kept_.end()) return nullptr;
  kept_.splice(kept_.begin(), kept_, found);
  return found->bytes;
}

// Two threads may have decompressed the same one: it is kept twice then, for a while.
void InflatedClusters::Keep(uint64_t file_offset, Bytes bytes) {
  std::lock_guard lock(mutex_);
  kept_.push_front({file_offset, std::move(bytes)});
  if (kept_.size() > std::max<uint64_t>(1, kInflatedBytesMax / cluster_bytes_)) kept_.pop_back();
}

}  // namespace aurochs
