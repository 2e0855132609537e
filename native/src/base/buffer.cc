#include "base/buffer.h"

#include <malloc.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>
#include <mutex>
#include <vector>

#include "base/limits.h"

namespace aurochs {

// Free buffers by power-of-two class. Small ones come and go at the speed of I/O, large ones cost an mmap and
// its page faults each time; but memory on the target boards is shared with others, so what was not needed
// for a while goes back. Large ones are mapped by ourselves: malloc, once it has seen some of them freed,
// takes them from its arenas, which then stay as large as they ever were. Small ones lie in the arenas, among
// what lives longer: malloc gives back the end of an arena by itself, what is free in its midst only when
// told.
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
      Class& kept = classes_[size_class];
      if (!kept.free.empty()) {
        Buffer* buffer = kept.free.back();
        kept.free.pop_back();
        kept.unused = std::min(kept.unused, kept.free.size());
        kept_bytes_ -= bytes;
        return BufferRef(buffer);
      }
    }
    return BufferRef(new Buffer(Map(bytes), bytes));
  }

  void Give(Buffer* buffer) {
    int size_class = ClassOf(buffer->capacity_);
    if (size_class < kClasses) {
      std::lock_guard lock(mutex_);
      if (kept_bytes_ + buffer->capacity_ <= kBufferPoolBytesMax) {
        kept_bytes_ += buffer->capacity_;
        classes_[size_class].free.push_back(buffer);
        return;
      }
    }
    Free(buffer);
  }

  bool ReleaseUnused(int64_t now_ms) {
    int64_t due = due_ms_.load(std::memory_order_relaxed);
    if (now_ms >= due && due_ms_.compare_exchange_strong(due, now_ms + kBufferUnusedMs)) {
      std::vector<Buffer*> unused;
      bool trim;
      {
        std::lock_guard lock(mutex_);
        for (Class& kept : classes_) {
          size_t stay = kept.free.size() - kept.unused;
          unused.insert(unused.end(), kept.free.begin() + stay, kept.free.end());
          kept.free.resize(stay);
          kept.unused = stay;
        }
        for (Buffer* buffer : unused) {
          kept_bytes_ -= buffer->capacity_;
          untrimmed_bytes_ += buffer->capacity_;
        }
        trim = untrimmed_bytes_ >= kTrimBytes;
        if (trim) untrimmed_bytes_ = 0;
      }
      for (Buffer* buffer : unused) Free(buffer);
      if (trim) malloc_trim(0);
    }
    std::lock_guard lock(mutex_);
    return kept_bytes_ > 0;
  }

 private:
  struct Class {
    std::vector<Buffer*> free;
    size_t unused = 0;  // free all the time since ReleaseUnused did its work
  };

  static int ClassOf(size_t capacity) {
    int size_class = 0;
    while (size_class < kClasses && (kClassMin << size_class) < capacity) ++size_class;
    return size_class;
  }

  static uint8_t* Map(size_t bytes) {
    if (bytes >= kBufferMappedBytes) {
      void* data = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
      if (data == MAP_FAILED) abort();
      return static_cast<uint8_t*>(data);
    }
    void* data = nullptr;
    if (posix_memalign(&data, kClassMin, bytes) != 0) abort();
    return static_cast<uint8_t*>(data);
  }

  static void Free(Buffer* buffer) {
    if (buffer->capacity_ >= kBufferMappedBytes) {
      munmap(buffer->data_, buffer->capacity_);
    } else {
      free(buffer->data_);
    }
    delete buffer;
  }

  std::mutex mutex_;
  Class classes_[kClasses];     // guarded by mutex_
  size_t kept_bytes_ = 0;       // guarded by mutex_
  size_t untrimmed_bytes_ = 0;  // given back since malloc_trim; guarded by mutex_
  std::atomic<int64_t> due_ms_{0};
};

BufferRef Buffer::Allocate(size_t capacity) { return BufferPool::Get().Take(capacity); }

bool Buffer::ReleaseUnused(int64_t now_ms) { return BufferPool::Get().ReleaseUnused(now_ms); }

void Buffer::Release() {
  if (references_.fetch_sub(1, std::memory_order_acq_rel) == 1) BufferPool::Get().Give(this);
}

}  // namespace aurochs
