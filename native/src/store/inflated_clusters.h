// Compressed clusters of a mapped file (a qcow2 image's), as they are read: whole, decompressed, the last few
// kept.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <mutex>

namespace aurochs {

/// Any thread. Memory: kInflatedBytesMax, or one cluster where that is larger, and while a call decompresses
/// three clusters more.
class InflatedClusters {
 public:
  /// What a compressed cluster has is not deflate's (RFC 1951), or not of one cluster.
  static constexpr int kDamaged = -2;

  /// Reads the file: errno values, or its own.
  using ReadFile = std::function<int(uint64_t offset, uint64_t length, uint8_t* data)>;

  /// @param cluster_bytes what each holds when it is decompressed
  explicit InflatedClusters(uint64_t cluster_bytes) : cluster_bytes_(cluster_bytes) {}

  /// `length` bytes from `skip` on of the cluster whose `compressed` bytes begin at `file_offset`.
  /// @return 0, kDamaged, or what `read` returned
  int Read(uint64_t file_offset, uint64_t compressed, uint64_t skip, uint64_t length, uint8_t* data,
           const ReadFile& read);

  uint64_t cluster_bytes() const { return cluster_bytes_; }

 private:
  using Bytes = std::shared_ptr<uint8_t[]>;
  struct Cluster {
    uint64_t file_offset;
    Bytes bytes;
  };

  Bytes Find(uint64_t file_offset);
  void Keep(uint64_t file_offset, Bytes bytes);

  const uint64_t cluster_bytes_;
  std::mutex mutex_;
  std::list<Cluster> kept_;  // the one that was read last first
};

}  // namespace aurochs
