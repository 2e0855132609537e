// A receiver of a file whose sender says anything: as it is, or as frames whose sums are right.
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <thread>
#include <vector>

#include "base/crc32c.h"
#include "sync/file_receiver.h"

namespace aurochs {
namespace {

constexpr uint64_t kSize = 1 << 20;

/// Gives every frame that the bytes can be taken for the magic number and the sums of one.
void Mend(std::vector<uint8_t>* bytes) {
  for (size_t at = 0; at + FrameHead::kBytes <= bytes->size();) {
    uint8_t* frame = bytes->data() + at;
    uint32_t kind = 1 + frame[4] % 4;
    uint32_t extents, data_bytes;
    memcpy(&extents, frame + 24, sizeof extents);
    memcpy(&data_bytes, frame + 28, sizeof data_bytes);
    extents %= 8;
    data_bytes %= 1 << 15;
    size_t body_bytes =
        std::min(extents * kFrameExtentBytes + data_bytes, bytes->size() - at - FrameHead::kBytes);
    uint32_t body_crc = Crc32c(frame + FrameHead::kBytes, body_bytes);
    memcpy(frame, &kFrameMagic, sizeof kFrameMagic);
    memcpy(frame + 4, &kind, sizeof kind);
    memcpy(frame + 24, &extents, sizeof extents);
    memcpy(frame + 28, &data_bytes, sizeof data_bytes);
    memcpy(frame + 32, &body_crc, sizeof body_crc);
    uint32_t head_crc = Crc32c(frame, FrameHead::kBytes - sizeof head_crc);
    memcpy(frame + FrameHead::kBytes - sizeof head_crc, &head_crc, sizeof head_crc);
    at += FrameHead::kBytes + body_bytes;
  }
}

}  // namespace
}  // namespace aurochs

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* input, size_t size) {
  using namespace aurochs;
  if (size == 0) return 0;
  std::vector<uint8_t> bytes(input + 1, input + size);
  if (input[0] % 4 != 0) Mend(&bytes);
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_STREAM, 0, ends) != 0) abort();
  int file = memfd_create("fuzz", 0);
  if (file < 0 || ftruncate(file, kSize) != 0) abort();
  int watched = dup(file);
  std::thread sender([&] {
    for (size_t sent = 0; sent < bytes.size();) {
      ssize_t count = send(ends[0], bytes.data() + sent, bytes.size() - sent, MSG_NOSIGNAL);
      if (count <= 0) break;
      sent += static_cast<size_t>(count);
    }
    shutdown(ends[0], SHUT_WR);
  });
  {
    Wire wire(ends[1]);
    uint64_t told = 0;
    FileReceiver receiver(file, kSize, "file", [&](uint64_t count) { told += count; });
    receiver.Run(&wire);
    if (told != receiver.received_bytes() || told > kSize) abort();
    struct stat info;
    if (fstat(watched, &info) != 0 || info.st_size != static_cast<off_t>(kSize)) abort();
  }
  sender.join();
  close(ends[0]);
  close(watched);
  return 0;
}
