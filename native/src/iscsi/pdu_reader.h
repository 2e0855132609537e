// Cuts a byte stream into PDUs, in place: BHS, AHS, header digest, data segment, padding, data digest.
// A PDU that is complete in the receive buffer is handed out as a reference to it; the buffer is reused when
// nobody holds it any more. The rest of a long data segment can be read straight to where it belongs.
#pragma once

#include <sys/uio.h>

#include <cstdint>

#include "base/buffer.h"
#include "iscsi/bhs.h"
#include "iscsi/limits.h"

namespace aurochs::iscsi {

struct Pdu {
  const uint8_t* bhs = nullptr;  // valid until the reader is used again
  Slice data;                    // in the receive buffer, or in what DirectDestination gave
  bool direct = false;
  bool data_intact = true;  // false: the data digest is wrong
};

class PduReader {
 public:
  class Sink {
   public:
    /// Where the data segment of this header shall go; an empty slice: into the receive buffer.
    virtual Slice DirectDestination(const uint8_t* bhs, uint32_t length) = 0;

   protected:
    ~Sink() = default;
  };

  enum class Result { kNeedMore, kPdu, kHeaderDigestError, kDataTooLong };

  explicit PduReader(Sink* sink) : sink_(sink) {}

  void SetDigests(bool header, bool data) {
    header_digest_ = header;
    data_digest_ = data;
  }
  /// Of the data segment, bytes; at most kDataSegmentBytesMax.
  void SetDataMax(uint32_t bytes) { data_max_ = bytes; }

  /// Where the next bytes of the stream go (1 or 2 places). `limit` bounds what lands in the receive buffer.
  int Space(iovec* places, uint32_t limit);
  void Commit(size_t bytes);
  Result Next(Pdu* pdu);
  /// The first byte of the next PDU; -1 when there is none yet.
  int first_byte() const { return end_ > begin_ ? buffer_.data()[begin_] : -1; }
  /// The header at which kDataTooLong or kHeaderDigestError was returned.
  const uint8_t* bad_header() const { return buffer_.data() + begin_; }

 private:
  void MakeRoom();
  Result Emit(const uint8_t* bhs, Slice data, uint32_t data_crc, const uint8_t* after, Pdu* pdu);

  Sink* sink_;
  bool header_digest_ = false;
  bool data_digest_ = false;
  uint32_t data_max_ = kLoginSegmentBytesMax;

  BufferRef buffer_;
  uint32_t begin_ = 0;  // first byte not yet handed out
  uint32_t end_ = 0;    // first byte not yet filled
  bool header_checked_ = false;

  Slice direct_;  // under way
  uint32_t direct_filled_ = 0;
  uint8_t direct_bhs_[kBhsBytes];
};

}  // namespace aurochs::iscsi
