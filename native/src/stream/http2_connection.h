// What both ends of an HTTP/2 connection share: the socket, the nghttp2 session, and gRPC bytes that leave as
// DATA frames without being copied.
#pragma once

#include <nghttp2/nghttp2.h>

#include <cstdint>
#include <span>
#include <string>

#include "base/event_loop.h"
#include "base/output_queue.h"

namespace aurochs {

/// What waits to be sent on one HTTP/2 stream.
struct StreamOutput {
  OutputQueue queue;
  int32_t stream_id = -1;
  /// nghttp2 has been told that there is nothing to send.
  bool deferred = false;
  /// Nothing is queued after what is in the queue: END_STREAM, or trailers.
  bool ending = false;
};

class Http2Connection : private EventLoop::Handler, private EventLoop::CycleTask {
 public:
  Http2Connection(const Http2Connection&) = delete;
  Http2Connection& operator=(const Http2Connection&) = delete;

  size_t output_bytes() const { return output_.bytes(); }
  uint64_t bytes_sent() const { return bytes_sent_; }
  uint64_t bytes_received() const { return bytes_received_; }

 protected:
  enum class Role { kClient, kServer };

  Http2Connection(EventLoop* loop, Role role);
  ~Http2Connection();

  /// Takes over a connected socket and queues our SETTINGS. The derived class submits what else is to be
  /// said.
  void Start(int fd);
  /// Closes the socket and ends the session; no callback runs after it. Not inside a callback of the session.
  void Stop();
  bool started() const { return fd_ >= 0; }

  /// What was queued leaves at the end of the loop's cycle.
  void ScheduleFlush();
  void PauseReading(bool paused);

  // nghttp2 calls these while it parses or serialises: the session must not be ended inside. A reason given
  // to Fail() ends it as soon as that is possible.
  virtual void OnHeaders(int32_t stream_id, bool end_stream) = 0;
  virtual void OnHeader(int32_t stream_id, const std::string& name, const std::string& value) = 0;
  virtual void OnData(int32_t stream_id, const uint8_t* bytes, size_t length) = 0;
  /// Where the next bytes of the stream are to be received; OnData then gets them there. Empty: anywhere.
  virtual std::span<uint8_t> DataRoom(int32_t stream_id) = 0;
  virtual void OnEndOfStream(int32_t stream_id) = 0;
  virtual void OnStreamClosed(int32_t stream_id, uint32_t http2_error) = 0;
  virtual void OnStreamStarts(int32_t) {}
  /// Our half of the stream has ended with HEADERS.
  virtual void OnTrailersSent(int32_t) {}
  /// The queue of an `ending` output is empty: submit trailers, if any. @returns whether trailers follow
  virtual bool OnOutputEnds(StreamOutput*) { return false; }
  void Fail(std::string reason);

  /// Outside of nghttp2's callbacks, before its output is serialised.
  virtual void BeforeFlush() = 0;
  /// What fits into the socket has left.
  virtual void AfterFlush() {}
  /// Outside of nghttp2's callbacks, once, stopped already. May delete the connection.
  virtual void OnBroken(const std::string& reason) = 0;

  EventLoop* loop() const { return loop_; }
  nghttp2_session* session() const { return session_; }
  /// For nghttp2_submit_*: what sends `output`.
  static nghttp2_data_provider ProviderOf(StreamOutput* output);
  /// Tells nghttp2 about new bytes (or the end) of `output`.
  void Resume(StreamOutput* output);

 private:
  struct Callbacks;

  void OnReady(uint32_t epoll_events) final;
  void AtEndOfCycle() final;
  void Receive();
  bool Parse(const uint8_t* bytes, size_t length);
  void UpdateInterest();
  void Break(std::string reason);

  EventLoop* loop_;
  Role role_;
  int fd_ = -1;
  nghttp2_session* session_ = nullptr;
  OutputQueue output_;
  std::string failure_;    // why the connection has to end
  std::string complaint_;  // what nghttp2 found wrong with the peer
  bool blocked_ = false;
  bool paused_ = false;
  uint32_t interest_ = 0;
  uint64_t bytes_sent_ = 0;
  uint64_t bytes_received_ = 0;
  int32_t frame_stream_ = 0;  // of the DATA frame that is being received
  size_t frame_left_ = 0;     // bytes of it that are to come; 0 when it is padded
  bool large_frames_ = false;
};

/// A header field for nghttp2_submit_*; the strings have to live until it returns.
nghttp2_nv HeaderField(const std::string& name, const std::string& value);

}  // namespace aurochs
