// One file of a replica's chain: what is in it, and reads and writes of it. It knows nothing of other layers.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "store/fiemap.h"
#include "store/inflated_clusters.h"

namespace aurochs {

/// A run of a mapped layer's bytes: where in the volume, how many, where in the file.
struct LayerPiece {
  uint64_t offset;
  uint64_t length;
  uint64_t file_offset;
  /// 0, or how many bytes of the file are one compressed cluster, of which these are the first `length`
  /// bytes.
  uint64_t compressed = 0;
};

struct LayerSpec {
  std::string path;
  /// Absent: a plain sparse file, whose extents count. Present (even if empty): ascending, not overlapping.
  bool mapped = false;
  std::vector<LayerPiece> map;
  /// Bytes of a compressed cluster when it is decompressed. 0: none is compressed.
  uint64_t cluster_bytes = 0;
};

/// Names a file as long as it exists: the inode's number is another file's afterwards, with another
/// generation.
struct FileIdentity {
  uint64_t inode;
  uint32_t generation;
};

/// Any thread; calls on disjoint ranges may run at once. Errors are errno values, kShortRead or
/// InflatedClusters::kDamaged.
class Layer {
 public:
  /// The file ended inside what it held when it was opened: somebody truncated it.
  static constexpr int kShortRead = -1;

  /// `head`: opened for writing, has to be a plain file of the volume's size. `direct`: with O_DIRECT.
  static std::unique_ptr<Layer> Open(LayerSpec spec, uint64_t volume_size, bool head, bool direct,
                                     std::string* error, int* system_errno);
  ~Layer();
  Layer(const Layer&) = delete;
  Layer& operator=(const Layer&) = delete;

  /// See ListExtents in fiemap.h; offsets in the volume. An error names the file.
  std::string Extents(uint64_t begin, uint64_t end, bool sync, const ExtentCallback& extent) const;
  /// Likewise, see FindExtent; not of a mapped file.
  std::string NextExtent(uint64_t begin, uint64_t end, bool sync, uint64_t* found) const;

  /// From the page cache alone. False when that is not possible (then part of `data` may have been written).
  bool ReadCached(uint64_t offset, uint64_t length, uint8_t* data);
  /// What lies beyond the end of a file that was shorter than the volume when opened reads as zeros.
  int Read(uint64_t offset, uint64_t length, uint8_t* data) const;

  // ---- the head, and another layer after OpenForChanges
  /// Opens the file a second time, for writing. Another thread may read meanwhile. Idempotent.
  bool OpenForChanges(std::string* error, int* system_errno);
  /// Makes the file at least `bytes` long. What was read as zeros behind its end before still is.
  int Extend(uint64_t bytes) const;
  /// `*written` is how much of the range was written when it failed, at least.
  int Write(uint64_t offset, uint64_t length, const uint8_t* data, uint64_t* written) const;
  /// Whether the file system has `bytes` free.
  bool HasRoom(uint64_t bytes) const;
  /// Zeros that are allocated. Whole blocks (the last one may reach beyond the volume's end).
  int ZeroRange(uint64_t offset, uint64_t length) const;
  /// A hole. EOPNOTSUPP where the file system cannot. Whole blocks, likewise.
  int Free(uint64_t offset, uint64_t length) const;
  /// A hole, or where the file system cannot punch (`*punched` false) zeros. Whole blocks, likewise.
  int Punch(uint64_t offset, uint64_t length, bool* punched) const;
  /// Zeros by plain writes: for blocks whose space is there already.
  int WriteZeros(uint64_t offset, uint64_t length) const;
  /// The kernel tells each open file once that data could not be written. Sync, SyncApart and StartWriteOut
  /// each have one of their own, so that none takes it away from another that runs at the same time.
  int Sync() const;
  /// The head's only: what Sync does, for who is not a flush.
  int SyncApart() const;
  /// Waits for the last round of this and starts writing dirty pages to the disk. An error is one of the
  /// data. Nothing to do for a file that is not open for changes.
  int StartWriteOut() const;

  uint64_t AllocatedBytes() const;
  const std::string& path() const { return spec_.path; }
  const LayerSpec& spec() const { return spec_; }
  bool mapped() const { return spec_.mapped; }
  /// Bytes when opened.
  uint64_t file_bytes() const { return size_; }
  bool SameFile(const Layer& other) const;
  /// Absent where the file system tells no generation.
  std::optional<FileIdentity> Identity() const;
  /// "PATH: WHAT: why"
  std::string Describe(const char* what, int error) const;
  /// O_DIRECT, or a file system with smaller blocks: a block of which a part is written would be allocated in
  /// part, and filling it later could run out of space.
  bool writes_whole_blocks() const { return whole_blocks_; }

 private:
  Layer() = default;
  int ReadPiece(const LayerPiece& piece, uint64_t skip, uint64_t length, uint8_t* data) const;
  int ReadFile(uint64_t file_offset, uint64_t length, uint8_t* data) const;
  int ReadFileDirect(uint64_t file_offset, uint64_t length, uint8_t* data) const;
  std::string CheckHead();
  bool OpenAgain(int flags, int* fd, std::string* error, int* system_errno) const;
  bool MemoryAligned(const uint8_t* data) const;

  LayerSpec spec_;
  std::unique_ptr<InflatedClusters> clusters_;  // where some are compressed
  int fd_ = -1;                                 // read, and synced
  std::atomic<int> write_fd_{-1};               // written, and written out
  int buffered_fd_ = -1;  // direct only: to write a part of a block at the end of an odd-sized file
  int apart_fd_ = -1;     // of the head: SyncApart
  uint64_t size_ = 0;     // bytes, when opened
  uint64_t volume_size_ = 0;
  bool direct_ = false;
  bool whole_blocks_ = false;
  bool can_read_cached_ = true;
  uintptr_t memory_alignment_ = 4096;
};

}  // namespace aurochs
