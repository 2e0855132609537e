#include "stream/replica_dataconn.h"

#include <utility>

#include "stream/data_server.h"

namespace aurochs {

ReplicaDataconn::ReplicaDataconn(DataServer* server, EventLoop* loop, uint64_t id, int fd)
    : DataconnConnection(loop, fd, {server->options_.max_requests, server->options_.max_payload_in_flight},
                         &server->dataconn_locks_),
      server_(server),
      id_(id) {}

uint64_t ReplicaDataconn::served_size() const { return server_->store_->size(); }

std::string ReplicaDataconn::PastTheEnd(Kind kind, int64_t, uint32_t) const {
  return kind == Kind::kRead ? "unexpected EOF" : "the range passes the end of the volume";
}

void ReplicaDataconn::Submit(Kind kind, const DataconnAsk& ask, uint64_t offset, uint64_t length,
                             Slice payload) {
  ServerRequest* request = server_->TakeRequest();
  request->kind = kind == Kind::kRead    ? StoreRequest::Kind::kRead
                  : kind == Kind::kWrite ? StoreRequest::Kind::kWrite
                                         : StoreRequest::Kind::kUnmap;
  request->source = this;
  request->ask = ask;
  request->offset = offset;
  request->length = length;
  // The protocol has no flush, and whoever speaks it takes what was answered for durable.
  request->fua = kind != Kind::kRead;
  request->mark = 0;
  request->settled = 0;
  request->payload = std::move(payload);
  if (kind == Kind::kUnmap) request->allocated_before = server_->store_->allocated_bytes();
  server_->store_->Submit(request);
}

void ReplicaDataconn::Answer(ServerRequest* request, Status status, const char* message) {
  if (status == Status::kNotOpen) message = "replica no longer exist";
  bool is_read = request->kind == StoreRequest::Kind::kRead;
  if (status != Status::kOk)
    return AnswerError(request->ask, DataconnType::kError, DataconnErrorText(status, message));
  if (is_read) return DataconnConnection::Answer(request->ask, 0, std::move(request->payload));
  uint64_t freed = 0;
  if (request->kind == StoreRequest::Kind::kUnmap) {
    uint64_t now = server_->store_->allocated_bytes();
    freed = request->allocated_before > now ? request->allocated_before - now : 0;
  }
  if (!server_->revision_.kept()) return DataconnConnection::Answer(request->ask, freed, Slice());
  // Those that one sync has made durable are counted together.
  uncounted_.push_back({request->ask, freed});
  server_->ScheduleSweep();
}

void ReplicaDataconn::AnswerCounted(int revision_error) {
  for (const auto& [ask, freed] : std::exchange(uncounted_, {})) {
    if (revision_error == 0) {
      DataconnConnection::Answer(ask, freed, Slice());
    } else {
      AnswerError(ask, DataconnType::kError,
                  DataconnErrorText(Status::kIoError, "the revision counter cannot be written"));
    }
  }
  TakeWaiting();
}

void ReplicaDataconn::Ended(const std::string& reason) {
  server_->SourceEnded(id_, submitted() - static_cast<uint32_t>(uncounted_.size()), reason);
}

void ReplicaDataconn::Emptied() { server_->ScheduleSweep(); }

}  // namespace aurochs
