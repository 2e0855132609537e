#include "stream/http2_connection.h"

#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

#include "base/limits.h"
#include "stream/socket.h"

namespace aurochs {

namespace {

constexpr size_t kFrameHeadBytes = 9;

// Below this a copy costs less than a second place to read to.
constexpr size_t kDirectBytesMin = 16u << 10;

// After a frame of this size another is expected: just its head is read, to know where the rest belongs.
constexpr size_t kLargeFrameBytes = 128u << 10;
constexpr size_t kHeadBytes = 4096;

}  // namespace

struct Http2Connection::Callbacks {
  static Http2Connection* Self(void* user_data) { return static_cast<Http2Connection*>(user_data); }
  static int Result(Http2Connection* self) {
    return self->failure_.empty() ? 0 : NGHTTP2_ERR_CALLBACK_FAILURE;
  }

  static int BeginHeaders(nghttp2_session*, const nghttp2_frame* frame, void* user_data) {
    if (frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST) {
      Self(user_data)->OnStreamStarts(frame->hd.stream_id);
    }
    return Result(Self(user_data));
  }

  static int Header(nghttp2_session*, const nghttp2_frame* frame, const uint8_t* name, size_t name_length,
                    const uint8_t* value, size_t value_length, uint8_t, void* user_data) {
    if (frame->hd.type == NGHTTP2_HEADERS) {
      Self(user_data)->OnHeader(frame->hd.stream_id,
                                std::string(reinterpret_cast<const char*>(name), name_length),
                                std::string(reinterpret_cast<const char*>(value), value_length));
    }
    return Result(Self(user_data));
  }

  static int FrameReceived(nghttp2_session*, const nghttp2_frame* frame, void* user_data) {
    Http2Connection* self = Self(user_data);
    bool end_stream = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    if (frame->hd.type == NGHTTP2_HEADERS) self->OnHeaders(frame->hd.stream_id, end_stream);
    if (end_stream && (frame->hd.type == NGHTTP2_HEADERS || frame->hd.type == NGHTTP2_DATA)) {
      self->OnEndOfStream(frame->hd.stream_id);
    }
    return Result(self);
  }

  static int BeginFrame(nghttp2_session*, const nghttp2_frame_hd* head, void* user_data) {
    bool plain = head->type == NGHTTP2_DATA && (head->flags & NGHTTP2_FLAG_PADDED) == 0;
    Self(user_data)->frame_stream_ = head->stream_id;
    Self(user_data)->frame_left_ = plain ? head->length : 0;
    Self(user_data)->large_frames_ = head->length >= kLargeFrameBytes;
    return 0;
  }

  static int Data(nghttp2_session*, uint8_t, int32_t stream_id, const uint8_t* bytes, size_t length,
                  void* user_data) {
    Http2Connection* self = Self(user_data);
    self->frame_left_ -= std::min(self->frame_left_, length);
    self->OnData(stream_id, bytes, length);
    return Result(self);
  }

  static int StreamClosed(nghttp2_session*, int32_t stream_id, uint32_t error, void* user_data) {
    Self(user_data)->OnStreamClosed(stream_id, error);
    return Result(Self(user_data));
  }

  static int FrameSent(nghttp2_session*, const nghttp2_frame* frame, void* user_data) {
    if (frame->hd.type == NGHTTP2_HEADERS && (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0) {
      Self(user_data)->OnTrailersSent(frame->hd.stream_id);
    }
    return Result(Self(user_data));
  }

  static int Error(nghttp2_session*, int, const char* message, size_t length, void* user_data) {
    // The peer's fault in words; what follows from it is decided by the session.
    if (Self(user_data)->complaint_.empty()) Self(user_data)->complaint_.assign(message, length);
    return 0;
  }

  static ssize_t ReadLength(nghttp2_session*, uint8_t, int32_t, int32_t connection_window,
                            int32_t stream_window, uint32_t frame_bytes_max, void*) {
    uint32_t window = static_cast<uint32_t>(std::max(0, std::min(connection_window, stream_window)));
    return std::min({window, frame_bytes_max, kHttp2SentFrameBytesMax});
  }

  static ssize_t Read(nghttp2_session*, int32_t, uint8_t*, size_t length, uint32_t* flags,
                      nghttp2_data_source* source, void* user_data) {
    auto* output = static_cast<StreamOutput*>(source->ptr);
    size_t count = std::min(length, output->queue.bytes());
    if (count > 0) {
      *flags |= NGHTTP2_DATA_FLAG_NO_COPY;
      return static_cast<ssize_t>(count);
    }
    if (!output->ending) {
      output->deferred = true;
      return NGHTTP2_ERR_DEFERRED;
    }
    *flags |= NGHTTP2_DATA_FLAG_EOF;
    if (Self(user_data)->OnOutputEnds(output)) *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
    return 0;
  }

  static int SendData(nghttp2_session*, nghttp2_frame*, const uint8_t* frame_head, size_t length,
                      nghttp2_data_source* source, void* user_data) {
    OutputQueue* output = &Self(user_data)->output_;
    output->AppendCopy(frame_head, kFrameHeadBytes);
    static_cast<StreamOutput*>(source->ptr)->queue.MoveTo(output, length);
    return 0;
  }

  // Owned by the process: the same for all sessions.
  static nghttp2_session_callbacks* Table() {
    static nghttp2_session_callbacks* table = [] {
      nghttp2_session_callbacks* made = nullptr;
      if (nghttp2_session_callbacks_new(&made) != 0) abort();  // memory is out
      nghttp2_session_callbacks_set_on_begin_frame_callback(made, BeginFrame);
      nghttp2_session_callbacks_set_on_begin_headers_callback(made, BeginHeaders);
      nghttp2_session_callbacks_set_on_header_callback(made, Header);
      nghttp2_session_callbacks_set_on_frame_recv_callback(made, FrameReceived);
      nghttp2_session_callbacks_set_on_data_chunk_recv_callback(made, Data);
      nghttp2_session_callbacks_set_on_stream_close_callback(made, StreamClosed);
      nghttp2_session_callbacks_set_on_frame_send_callback(made, FrameSent);
      nghttp2_session_callbacks_set_error_callback2(made, Error);
      nghttp2_session_callbacks_set_data_source_read_length_callback(made, ReadLength);
      nghttp2_session_callbacks_set_send_data_callback(made, SendData);
      return made;
    }();
    return table;
  }
};

Http2Connection::Http2Connection(EventLoop* loop, Role role) : loop_(loop), role_(role) {}

Http2Connection::~Http2Connection() { Stop(); }

void Http2Connection::Start(int fd) {
  fd_ = fd;
  int result = role_ == Role::kClient ? nghttp2_session_client_new(&session_, Callbacks::Table(), this)
                                      : nghttp2_session_server_new(&session_, Callbacks::Table(), this);
  if (result != 0) abort();  // memory is out
  std::vector<nghttp2_settings_entry> settings = {
      {NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, static_cast<uint32_t>(kHttp2WindowBytes)},
      {NGHTTP2_SETTINGS_MAX_FRAME_SIZE, kHttp2ReceivedFrameBytesMax},
  };
  if (role_ == Role::kClient) {
    settings.push_back({NGHTTP2_SETTINGS_ENABLE_PUSH, 0});
  } else {
    settings.push_back({NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, kStreamsPerConnectionMax});
  }
  nghttp2_submit_settings(session_, NGHTTP2_FLAG_NONE, settings.data(), settings.size());
  nghttp2_session_set_local_window_size(session_, NGHTTP2_FLAG_NONE, 0, kHttp2WindowBytes);
  interest_ = EPOLLIN;
  loop_->Add(fd_, interest_, this);
  ScheduleFlush();
}

void Http2Connection::Stop() {
  if (fd_ < 0) return;
  loop_->Forget(this);
  loop_->Remove(fd_);
  close(fd_);
  fd_ = -1;
  nghttp2_session_del(session_);
  session_ = nullptr;
  frame_left_ = 0;
}

void Http2Connection::ScheduleFlush() {
  if (fd_ >= 0) loop_->RunAtEndOfCycle(this);
}

void Http2Connection::PauseReading(bool paused) {
  paused_ = paused;
  UpdateInterest();
}

void Http2Connection::Fail(std::string reason) {
  if (failure_.empty()) failure_ = std::move(reason);
  ScheduleFlush();
}

nghttp2_data_provider Http2Connection::ProviderOf(StreamOutput* output) {
  nghttp2_data_provider provider{};
  provider.source.ptr = output;
  provider.read_callback = Callbacks::Read;
  return provider;
}

void Http2Connection::Resume(StreamOutput* output) {
  if (!output->deferred || (output->queue.empty() && !output->ending)) return;
  output->deferred = false;
  nghttp2_session_resume_data(session_, output->stream_id);
}

void Http2Connection::OnReady(uint32_t events) {
  if (events & EPOLLOUT) {
    blocked_ = false;
    ScheduleFlush();
  }
  if (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) Receive();
}

void Http2Connection::Receive() {
  std::span<uint8_t> room;
  if (frame_left_ >= kDirectBytesMin) room = DataRoom(frame_stream_);
  if (room.size() > frame_left_) room = room.first(frame_left_);
  if (room.size() < kDirectBytesMin) room = {};
  size_t behind = large_frames_ ? kHeadBytes : kReceiveBufferBytes;
  auto [got, direct, rest, rest_length] = ReceiveInto(fd_, room, behind);
  if (got == 0) return Break("the peer closed the connection");
  if (got < 0) {
    if (errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR) return;
    return Break(strerror(errno));
  }
  bytes_received_ += got;
  if (direct > 0 && !Parse(room.data(), direct)) return;
  if (rest_length > 0 && !Parse(rest, rest_length)) return;
  if (nghttp2_session_want_write(session_) || !nghttp2_session_want_read(session_)) ScheduleFlush();
}

bool Http2Connection::Parse(const uint8_t* bytes, size_t length) {
  ssize_t parsed = nghttp2_session_mem_recv(session_, bytes, length);
  if (parsed >= 0) return true;
  if (!failure_.empty()) {
    Break(failure_);
  } else if (parsed == NGHTTP2_ERR_BAD_CLIENT_MAGIC) {
    Break("the peer does not speak HTTP/2");
  } else {
    Break(std::string("HTTP/2: ") + nghttp2_strerror(static_cast<int>(parsed)));
  }
  return false;
}

void Http2Connection::AtEndOfCycle() {
  if (!failure_.empty()) return Break(failure_);
  BeforeFlush();
  if (fd_ < 0) return;
  size_t before = output_.bytes();
  for (;;) {
    const uint8_t* bytes;
    ssize_t length = nghttp2_session_mem_send(session_, &bytes);
    if (length < 0) return Break(std::string("HTTP/2: ") + nghttp2_strerror(static_cast<int>(length)));
    if (length == 0) break;
    for (size_t done = 0; done < static_cast<size_t>(length);) {
      size_t part = std::min(static_cast<size_t>(length) - done, OutputQueue::kSlabBytes);
      output_.AppendCopy(bytes + done, part);
      done += part;
    }
  }
  if (!failure_.empty()) return Break(failure_);
  bytes_sent_ += output_.bytes() - before;
  if (!blocked_ && !output_.empty()) {
    OutputQueue::Result result = output_.Flush(fd_);
    if (result == OutputQueue::Result::kError) return Break(strerror(errno));
    blocked_ = result == OutputQueue::Result::kBlocked;
  }
  if (output_.empty() && !nghttp2_session_want_read(session_) && !nghttp2_session_want_write(session_)) {
    return Break(complaint_.empty() ? "the HTTP/2 session ended" : "HTTP/2: " + complaint_);
  }
  AfterFlush();
  UpdateInterest();
}

void Http2Connection::UpdateInterest() {
  if (fd_ < 0) return;
  uint32_t interest =
      (paused_ ? 0u : static_cast<uint32_t>(EPOLLIN)) | (blocked_ ? static_cast<uint32_t>(EPOLLOUT) : 0u);
  if (interest == interest_) return;
  interest_ = interest;
  loop_->Modify(fd_, interest);
}

void Http2Connection::Break(std::string reason) {
  Stop();
  OnBroken(reason);
}

nghttp2_nv HeaderField(const std::string& name, const std::string& value) {
  return {reinterpret_cast<uint8_t*>(const_cast<char*>(name.data())),
          reinterpret_cast<uint8_t*>(const_cast<char*>(value.data())), name.size(), value.size(),
          NGHTTP2_NV_FLAG_NONE};
}

}  // namespace aurochs
