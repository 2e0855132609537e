// Whatever submits requests to a replica's store on behalf of an engine: a gRPC stream, or a connection that
// speaks Longhorn's data protocol.
#pragma once

#include <cstdint>

#include "base/intrusive_list.h"
#include "base/status.h"
#include "store/store.h"
#include "stream/dataconn_connection.h"

namespace aurochs {

class DataServer;
class RequestSource;

/// A request from its arrival to its answer. Owned by the DataServer.
struct ServerRequest final : StoreRequest, ListNode<ServerRequest> {
  void Done(Status status, const char* message) override;

  DataServer* server = nullptr;
  RequestSource* source = nullptr;
  uint64_t id = 0;
  /// Of Longhorn's protocol: what was asked, and the bytes allocated before an unmap.
  DataconnAsk ask;
  uint64_t allocated_before = 0;
};

class RequestSource {
 public:
  virtual ~RequestSource() = default;

  /// Nothing of it reaches the store any more but what is there already.
  virtual bool ended() const = 0;
  /// No request of it is under way.
  virtual bool idle() const = 0;
  /// The store has answered.
  virtual void Answer(ServerRequest* request, Status status, const char* message) = 0;
  /// A request has been answered: there may be room for what had to wait.
  virtual void SubmitDeferred() = 0;
};

}  // namespace aurochs
