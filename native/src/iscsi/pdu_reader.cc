#include "iscsi/pdu_reader.h"

#include <algorithm>
#include <cstring>

#include "base/crc32c.h"

namespace aurochs::iscsi {

namespace {

// Digests are sent least significant byte first (RFC 7143, iSCSI digests; its CRC examples).
uint32_t LoadDigest(const uint8_t* p) {
  return p[0] | (uint32_t{p[1]} << 8) | (uint32_t{p[2]} << 16) | (uint32_t{p[3]} << 24);
}

// A receive buffer with less room than this is replaced: small reads cost more than moving the rest.
constexpr uint32_t kRoomMin = 64u << 10;
constexpr auto kCapacity = static_cast<uint32_t>(kReceiveBufferBytes);

}  // namespace

void PduReader::MakeRoom() {
  if (!buffer_) {
    buffer_ = Buffer::Allocate(kReceiveBufferBytes);
    begin_ = end_ = 0;
    return;
  }
  uint32_t held = end_ - begin_;
  if (held == 0 && buffer_.unique()) {
    begin_ = end_ = 0;
    return;
  }
  uint32_t need = kRoomMin;
  if (held >= kBhsBytes && header_checked_) {
    const uint8_t* bhs = buffer_.data() + begin_;
    uint32_t whole = kBhsBytes + AhsBytesOf(bhs) + Padded(DataLengthOf(bhs)) + 2 * kDigestBytes;
    need = std::max(need, whole > held ? whole - held : 0);
  }
  if (kCapacity - end_ >= need) return;
  if (buffer_.unique()) {
    memmove(buffer_.data(), buffer_.data() + begin_, held);
  } else {
    BufferRef fresh = Buffer::Allocate(kReceiveBufferBytes);
    memcpy(fresh.data(), buffer_.data() + begin_, held);
    buffer_ = std::move(fresh);
  }
  begin_ = 0;
  end_ = held;
}

int PduReader::Space(iovec* places, uint32_t limit) {
  MakeRoom();
  int count = 0;
  if (direct_ && direct_filled_ < direct_.length) {
    places[count++] = {direct_.data() + direct_filled_, direct_.length - direct_filled_};
  }
  places[count++] = {buffer_.data() + end_, std::min(limit, kCapacity - end_)};
  return count;
}

void PduReader::Commit(size_t bytes) {
  if (direct_) {
    auto taken = static_cast<uint32_t>(std::min<size_t>(bytes, direct_.length - direct_filled_));
    direct_filled_ += taken;
    bytes -= taken;
  }
  end_ += static_cast<uint32_t>(bytes);
}

PduReader::Result PduReader::Emit(const uint8_t* bhs, Slice data, uint32_t data_crc, const uint8_t* after,
                                  Pdu* pdu) {
  uint32_t padding = Padded(data.length) - data.length;
  pdu->bhs = bhs;
  pdu->data_intact = true;
  if (data_digest_ && data.length > 0) {
    pdu->data_intact = Crc32c(after, padding, data_crc) == LoadDigest(after + padding);
  }
  pdu->data = std::move(data);
  return Result::kPdu;
}

PduReader::Result PduReader::Next(Pdu* pdu) {
  uint32_t available = end_ - begin_;
  uint8_t* at = buffer_ ? buffer_.data() + begin_ : nullptr;
  if (direct_) {
    uint32_t tail = Padded(direct_.length) - direct_.length + (data_digest_ ? kDigestBytes : 0);
    if (direct_filled_ < direct_.length || available < tail) return Result::kNeedMore;
    begin_ += tail;
    uint32_t crc = data_digest_ ? Crc32c(direct_.data(), direct_.length) : 0;
    pdu->direct = true;
    return Emit(direct_bhs_, std::move(direct_), crc, at, pdu);
  }

  if (available < kBhsBytes) return Result::kNeedMore;
  uint32_t header = kBhsBytes + AhsBytesOf(at);
  uint32_t digest = header_digest_ ? kDigestBytes : 0;
  if (available < header + digest) return Result::kNeedMore;
  uint32_t length = DataLengthOf(at);
  if (!header_checked_) {
    if (header_digest_ && Crc32c(at, header) != LoadDigest(at + header)) return Result::kHeaderDigestError;
    if (length > data_max_) return Result::kDataTooLong;
    header_checked_ = true;
  }
  header += digest;
  uint32_t whole = header + Padded(length) + (data_digest_ && length > 0 ? kDigestBytes : 0);
  if (available >= whole) {
    Slice data;
    if (length > 0) data = Slice{buffer_, begin_ + header, length};
    begin_ += whole;
    header_checked_ = false;
    pdu->direct = false;
    uint32_t crc = data_digest_ && length > 0 ? Crc32c(at + header, length) : 0;
    return Emit(at, std::move(data), crc, at + header + length, pdu);
  }

  uint32_t present = available - header;
  if (present < length && length - present >= kDirectBytesMin) {
    Slice destination = sink_->DirectDestination(at, length);
    if (destination) {
      memcpy(direct_bhs_, at, kBhsBytes);
      memcpy(destination.data(), at + header, present);
      direct_ = std::move(destination);
      direct_filled_ = present;
      begin_ = end_;
      header_checked_ = false;
    }
  }
  return Result::kNeedMore;
}

}  // namespace aurochs::iscsi
