// HTTP/2 frames written by hand, so that the bytes of fuzzers and tests arrive where they hurt.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

namespace aurochs {

enum class FrameType : uint8_t { kData = 0, kHeaders = 1, kSettings = 4, kPing = 6 };
constexpr uint8_t kEndHeaders = 4;

inline std::string Http2Frame(FrameType type, uint8_t flags, uint32_t stream, const std::string& payload) {
  std::string frame;
  for (int shift : {16, 8, 0}) frame += static_cast<char>(payload.size() >> shift);
  frame += static_cast<char>(type);
  frame += static_cast<char>(flags);
  for (int shift : {24, 16, 8, 0}) frame += static_cast<char>(stream >> shift);
  return frame + payload;
}

/// A string literal without Huffman coding (RFC 7541).
inline std::string HpackString(const std::string& text) { return static_cast<char>(text.size()) + text; }

/// What comes before the first message of a stream that is in order.
inline std::string ClientGreeting(const std::string& path, const std::string& settings = "") {
  std::string block = "\x83\x86";                     // :method POST, :scheme http
  block += "\x44" + HpackString(path);                // :path
  block += "\x41" + HpackString("fuzz");              // :authority
  block += "\x5f" + HpackString("application/grpc");  // content-type
  block += "\x40" + HpackString("te") + HpackString("trailers");
  return "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + Http2Frame(FrameType::kSettings, 0, 0, settings) +
         Http2Frame(FrameType::kHeaders, kEndHeaders, 1, block);
}

inline std::string ServerGreeting() {
  std::string block = "\x88";                         // :status 200
  block += "\x5f" + HpackString("application/grpc");  // content-type
  return Http2Frame(FrameType::kSettings, 0, 0, "") + Http2Frame(FrameType::kHeaders, kEndHeaders, 1, block);
}

/// The bytes as DATA of stream 1, cut into frames of at most `frame_bytes`.
inline std::string DataFrames(const std::string& bytes, size_t frame_bytes) {
  std::string frames;
  for (size_t at = 0; at < bytes.size(); at += frame_bytes) {
    frames += Http2Frame(FrameType::kData, 0, 1, bytes.substr(at, frame_bytes));
  }
  return frames;
}

}  // namespace aurochs
