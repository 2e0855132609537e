// Reference-counted byte buffers, recycled by size class. Payloads live in one from socket to socket or disk.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <utility>

namespace aurochs {

class BufferRef;

/// Bytes with a count of owners. Aligned to 4096 at least, so that O_DIRECT can use it. Thread-safe to share
/// and release.
class Buffer {
 public:
  /// At least `capacity` bytes, uninitialised. Aborts the process when memory is out.
  static BufferRef Allocate(size_t capacity);

  /// Gives back what was kept for reuse and not needed for kBufferUnusedMs, to the system. To be called
  /// often; cheap.
  /// @returns whether anything is kept still
  static bool ReleaseUnused(int64_t now_ms);

  uint8_t* data() { return data_; }
  size_t capacity() const { return capacity_; }

 private:
  friend class BufferRef;
  friend class BufferPool;
  Buffer(uint8_t* data, size_t capacity) : data_(data), capacity_(capacity) {}
  void Release();

  std::atomic<uint32_t> references_{0};
  uint8_t* data_;
  size_t capacity_;
};

/// One owner of a Buffer.
class BufferRef {
 public:
  BufferRef() = default;
  explicit BufferRef(Buffer* buffer) : buffer_(buffer) {
    if (buffer_) buffer_->references_.fetch_add(1, std::memory_order_relaxed);
  }
  BufferRef(const BufferRef& other) : BufferRef(other.buffer_) {}
  BufferRef(BufferRef&& other) noexcept : buffer_(std::exchange(other.buffer_, nullptr)) {}
  BufferRef& operator=(BufferRef other) noexcept {
    std::swap(buffer_, other.buffer_);
    return *this;
  }
  ~BufferRef() {
    if (buffer_) buffer_->Release();
  }

  explicit operator bool() const { return buffer_ != nullptr; }
  Buffer* operator->() const { return buffer_; }
  uint8_t* data() const { return buffer_->data(); }
  bool unique() const { return buffer_ && buffer_->references_.load(std::memory_order_acquire) == 1; }

 private:
  Buffer* buffer_ = nullptr;
};

/// A part of a buffer, owned.
struct Slice {
  BufferRef buffer;
  uint32_t offset = 0;
  uint32_t length = 0;

  uint8_t* data() const { return buffer.data() + offset; }
  explicit operator bool() const { return static_cast<bool>(buffer); }
  Slice Sub(uint32_t from, uint32_t count) const { return Slice{buffer, offset + from, count}; }
  static Slice Allocate(uint32_t length) { return Slice{Buffer::Allocate(length), 0, length}; }
};

}  // namespace aurochs
