// The codec of the data stream's messages, whole and in pieces, good and bad.
#include <gtest/gtest.h>

#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "stream/grpc_frame.h"
#include "stream/message.h"

namespace aurochs {
namespace {

template <class Message>
struct Collector : MessageReader<Message>::Handler {
  uint8_t* PayloadStarts(const Message&, uint32_t length) override {
    payload.assign(length, 0);
    return payload.data();
  }
  bool MessageEnds(Message& message) override {
    messages.push_back(message);
    payloads.push_back(payload);
    payload.clear();
    return true;
  }
  std::vector<Message> messages;
  std::vector<std::vector<uint8_t>> payloads;
  std::vector<uint8_t> payload;
};

std::vector<uint8_t> Framed(std::vector<uint8_t> message) {
  uint32_t length = static_cast<uint32_t>(message.size());
  std::vector<uint8_t> framed = {0, uint8_t(length >> 24), uint8_t(length >> 16), uint8_t(length >> 8),
                                 uint8_t(length)};
  framed.insert(framed.end(), message.begin(), message.end());
  return framed;
}

std::vector<uint8_t> Bytes(const Slice& slice) { return {slice.data(), slice.data() + slice.length}; }

std::string ErrorOf(const std::vector<uint8_t>& bytes) {
  Collector<RequestMessage> collector;
  MessageReader<RequestMessage> reader(&collector, 4096);
  return reader.Feed(bytes.data(), bytes.size()) ? "" : reader.error();
}

TEST(StreamMessage, RequestsSurviveEncodingInPiecesOfAnySize) {
  std::mt19937_64 random(7);
  std::vector<uint8_t> wire;
  std::vector<RequestMessage> sent;
  std::vector<std::vector<uint8_t>> payloads;
  for (int i = 0; i < 200; ++i) {
    RequestMessage message;
    message.id = random() >> (random() % 64);
    message.op = random() % 8;
    message.offset = random() >> (random() % 64);
    message.length = random() >> (random() % 64);
    message.fua = random() % 2;
    message.crc32c = static_cast<uint32_t>(random() >> (random() % 64));
    message.mark = random() >> (random() % 64);
    message.settled = random() >> (random() % 64);
    std::vector<uint8_t> payload(random() % 3 ? random() % 500 : 0);
    for (auto& byte : payload) byte = static_cast<uint8_t>(random());
    message.payload_length = static_cast<uint32_t>(payload.size());
    EncodedHead head;
    EncodeRequestHead(message, &head);
    wire.insert(wire.end(), head.bytes.begin(), head.bytes.begin() + head.length);
    wire.insert(wire.end(), payload.begin(), payload.end());
    sent.push_back(message);
    payloads.push_back(payload);
  }
  for (size_t piece : {size_t{1}, size_t{2}, size_t{7}, size_t{64}, size_t{1000}, wire.size()}) {
    Collector<RequestMessage> collector;
    MessageReader<RequestMessage> reader(&collector, 4096);
    for (size_t at = 0; at < wire.size(); at += piece) {
      ASSERT_TRUE(reader.Feed(&wire[at], std::min(piece, wire.size() - at))) << reader.error();
    }
    ASSERT_EQ(collector.messages.size(), sent.size());
    for (size_t i = 0; i < sent.size(); ++i) {
      const RequestMessage &got = collector.messages[i], &want = sent[i];
      EXPECT_EQ(got.id, want.id);
      EXPECT_EQ(got.op, want.op);
      EXPECT_EQ(got.offset, want.offset);
      EXPECT_EQ(got.length, want.length);
      EXPECT_EQ(got.fua, want.fua);
      EXPECT_EQ(got.crc32c, want.crc32c);
      EXPECT_EQ(got.mark, want.mark);
      EXPECT_EQ(got.settled, want.settled);
      EXPECT_EQ(collector.payloads[i], payloads[i]);
    }
  }
}

TEST(StreamMessage, HelloItsReplyErrorsAndExtentsSurvive) {
  RequestMessage request;
  request.op = static_cast<uint32_t>(StreamOp::kHello);
  request.hello = std::make_shared<Hello>(Hello{1, "volume", "replica", "engine", 1ull << 60});
  ResponseMessage response;
  response.id = 300;
  response.status = 2;
  response.message = std::string(200, 'x');
  response.hello = HelloReply{1, 1ull << 40, 1024, 1 << 20, 64 << 20};
  response.extents = {{0, 4096}, {1ull << 40, 512}};
  auto request_bytes = Bytes(EncodeRequest(request)), response_bytes = Bytes(EncodeResponse(response));
  for (size_t piece : {1, 3, 10000}) {
    Collector<RequestMessage> requests;
    Collector<ResponseMessage> responses;
    MessageReader<RequestMessage> request_reader(&requests, 4096);
    MessageReader<ResponseMessage> response_reader(&responses, 4096);
    for (size_t at = 0; at < request_bytes.size(); at += piece) {
      ASSERT_TRUE(request_reader.Feed(&request_bytes[at], std::min(piece, request_bytes.size() - at)));
    }
    for (size_t at = 0; at < response_bytes.size(); at += piece) {
      ASSERT_TRUE(response_reader.Feed(&response_bytes[at], std::min(piece, response_bytes.size() - at)));
    }
    ASSERT_EQ(requests.messages.size(), 1u);
    ASSERT_TRUE(requests.messages[0].hello);
    EXPECT_EQ(requests.messages[0].hello->engine_id, "engine");
    EXPECT_EQ(requests.messages[0].hello->volume, "volume");
    EXPECT_EQ(requests.messages[0].hello->replica_id, "replica");
    EXPECT_EQ(requests.messages[0].hello->generation, 1ull << 60);
    ASSERT_EQ(responses.messages.size(), 1u);
    const ResponseMessage& got = responses.messages[0];
    EXPECT_EQ(got.id, 300u);
    EXPECT_EQ(got.status, 2u);
    EXPECT_EQ(got.message, response.message);
    EXPECT_EQ(got.hello->size, 1ull << 40);
    EXPECT_EQ(got.hello->max_payload_in_flight, 64u << 20);
    EXPECT_EQ(got.extents, response.extents);
  }
}

TEST(StreamMessage, FieldsInAnyOrderAndUnknownOnesAreTaken) {
  std::vector<uint8_t> message = {
      0x7a, 3,    'a',  'b', 'c',                 // payload first
      0xa2, 0x06, 2,    9,   9,                   // field 100, bytes
      0xa8, 0x06, 5,                              // field 101, varint
      0xb1, 0x06, 1,    2,   3,   4, 5, 6, 7, 8,  // field 102, fixed64
      0x20, 0x80, 0x20,                           // length = 4096
      0x0a, 1,    0,                              // field 1 with another type than id's
      0x08, 7,                                    // id
      0x10, 3,                                    // op
  };
  auto wire = Framed(message);
  for (size_t piece : {size_t{1}, size_t{2}, wire.size()}) {
    Collector<RequestMessage> collector;
    MessageReader<RequestMessage> reader(&collector, 4096);
    for (size_t at = 0; at < wire.size(); at += piece) {
      ASSERT_TRUE(reader.Feed(&wire[at], std::min(piece, wire.size() - at))) << reader.error();
    }
    ASSERT_EQ(collector.messages.size(), 1u);
    EXPECT_EQ(collector.messages[0].id, 7u);
    EXPECT_EQ(collector.messages[0].op, 3u);
    EXPECT_EQ(collector.messages[0].length, 4096u);
    EXPECT_EQ(collector.payloads[0], (std::vector<uint8_t>{'a', 'b', 'c'}));
  }
}

TEST(StreamMessage, MalformedBytesAreRefusedWithAReason) {
  EXPECT_EQ(ErrorOf({1, 0, 0, 0, 0}), "compressed gRPC messages are not supported");
  EXPECT_EQ(ErrorOf({0, 0, 1, 0, 0}), "a message of 65536 bytes exceeds the limit of 4096");
  EXPECT_EQ(ErrorOf(Framed({0x08})), "a message is not well-formed protobuf");     // no value
  EXPECT_EQ(ErrorOf(Framed({0x0b})), "a message is not well-formed protobuf");     // a group
  EXPECT_EQ(ErrorOf(Framed({0x00, 1})), "a message is not well-formed protobuf");  // field 0
  EXPECT_EQ(ErrorOf(Framed({0x7a, 10, 1})), "a field is longer than its message");
  EXPECT_EQ(ErrorOf(Framed({0x7a, 1, 1, 0x7a, 1, 1})), "a message has two payloads");
  EXPECT_EQ(ErrorOf(Framed({0x4a, 2, 0x12, 9})), "field 9 is not well-formed protobuf");  // hello, cut
  EXPECT_EQ(ErrorOf(Framed(std::vector<uint8_t>(12, 0xff))), "a message is not well-formed protobuf");
  EXPECT_EQ(ErrorOf(Framed({})), "");
}

TEST(StreamMessage, StatusesThatWeDoNotKnowAreIoErrors) {
  EXPECT_EQ(StatusFromWire(0), Status::kOk);
  EXPECT_EQ(StatusFromWire(7), Status::kNotOpen);
  EXPECT_EQ(StatusFromWire(8), Status::kIoError);  // MISCOMPARE never travels
  EXPECT_EQ(StatusFromWire(1000), Status::kIoError);
}

}  // namespace
}  // namespace aurochs
