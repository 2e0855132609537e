// A connection of Longhorn's data protocol to a replica's store.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "stream/dataconn_connection.h"
#include "stream/request_source.h"

namespace aurochs {

/// Owned by the DataServer, which keeps it until no request refers to it.
class ReplicaDataconn final : public RequestSource, public DataconnConnection {
 public:
  ReplicaDataconn(DataServer* server, EventLoop* loop, uint64_t id, int fd);

  bool ended() const override { return DataconnConnection::ended(); }
  bool idle() const override { return DataconnConnection::idle(); }
  void Answer(ServerRequest* request, Status status, const char* message) override;
  void SubmitDeferred() override { TakeWaiting(); }

  bool has_uncounted() const { return !uncounted_.empty(); }
  /// `revision.counter` has been told of what is durable, unless there was an errno.
  void AnswerCounted(int revision_error);

 private:
  uint64_t served_size() const override;
  std::string PastTheEnd(Kind kind, int64_t offset, uint32_t length) const override;
  void Submit(Kind kind, const DataconnAsk& ask, uint64_t offset, uint64_t length, Slice payload) override;
  void Ended(const std::string& reason) override;
  void Emptied() override;

  DataServer* server_;
  uint64_t id_;
  /// Changes that are durable, and the bytes that each freed.
  std::vector<std::pair<DataconnAsk, uint64_t>> uncounted_;
};

}  // namespace aurochs
