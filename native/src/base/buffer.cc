#include "base/buffer.h"

#include <cstdlib>
#include <mutex>
#include <vector>

#include "base/limits.h"

namespace aurochs {

// Free buffers by power-of-two class. Small ones come and go at the speed of I/O, large ones would cost an
// mmap and its page faults each time; what is kept for reuse is bounded, because memory on the target boards
// is shared with others.
class BufferPool {
 public:
  static constexpr size_t kClassMin = 4096;
  static constexpr int kClasses = 11;  // 4 KiB .. 4 MiB

  // Never destroyed: threads may still release buffers while the process exits.
  static BufferPool& Get() {
    static BufferPool* pool = new BufferPool;
    return *pool;
  }

  BufferRef Take(size_t capacity) {
    int size_class = ClassOf(capacity);
    size_t bytes =
        size_class < kClasses ? kClassMin << size_class : (capacity + kClassMin - 1) & ~(kClassMin - 1);
    if (size_class < kClasses) {
      std::lock_guard lock(mutex_);
      if (!free_[size_class].empty()) {
        Buffer* buffer = free_[size_class].back();
        free_[size_class].pop_back();
        kept_bytes_ -= bytes;
        return BufferRef(buffer);
      }
    }
    void* data = nullptr;
    if (posix_memalign(&data, kClassMin, bytes) != 0) abort();
    return BufferRef(new Buffer(static_cast<uint8_t*>(data), bytes));
  }

  void Give(Buffer* buffer) {
    int size_class = ClassOf(buffer->capacity_);
    if (size_class < kClasses) {
      std::lock_guard lock(mutex_);
      if (kept_bytes_ + buffer->capacity_ <= kBufferPoolBytesMax) {
        kept_bytes_ += buffer->capacity_;
        free_[size_class].push_back(buffer);
        return;
      }
    }
    free(buffer->data_);
    delete buffer;
  }

 private:
  static int ClassOf(size_t capacity) {
    int size_class = 0;
    while (size_class < kClasses && (kClassMin << size_class) < capacity) ++size_class;
    return size_class;
  }

  std::mutex mutex_;
  std::vector<Buffer*> free_[kClasses];
  size_t kept_bytes_ = 0;
};

BufferRef Buffer::Allocate(size_t capacity) { return BufferPool::Get().Take(capacity); }

void Buffer::Release() {
  if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) BufferPool::Get().Give(this);
}

}  // namespace aurochs
