// Connecting, modes, what is held, timeouts.
#include <algorithm>
#include <utility>

#include "stream/http2_client.h"
#include "stream/longhorn_client.h"
#include "volume/volume.h"

namespace aurochs {

template <class Client>
Client* Volume::NewClient(int index, ConnectCallback done) {
  DropStream(index, true);
  if (timeout_timer_ == 0) StartTimeoutTimer();
  auto client = std::make_unique<Client>(loop_, this);
  Client* made = client.get();
  slots_[index].connecting = std::move(done);
  slots_[index].client = std::move(client);
  return made;
}

void Volume::Connect(int index, std::vector<SocketAddress> addresses, const Hello& hello,
                     ConnectCallback done) {
  if (closed_) return done(Status::kAborted, "the volume is closed", HelloReply());
  auto* client = NewClient<StreamClient>(index, std::move(done));
  client->Connect(std::move(addresses), hello, options_.replica_timeout_ms);
}

void Volume::ConnectLonghorn(int index, std::vector<SocketAddress> addresses, bool unmap_zeroes,
                             ConnectCallback done) {
  if (closed_) return done(Status::kAborted, "the volume is closed", HelloReply());
  auto* client = NewClient<LonghornClient>(index, std::move(done));
  client->SetUnmapZeroes(unmap_zeroes);
  client->Connect(std::move(addresses), options_.replica_timeout_ms);
}

void Volume::SetUnmapZeroes(int index, bool zeroes) {
  if (auto* client = dynamic_cast<LonghornClient*>(slots_[index].client.get()))
    client->SetUnmapZeroes(zeroes);
}

void Volume::OnConnected(ReplicaClient* client, const HelloReply& reply) {
  Slot& slot = slots_[SlotOf(client)];
  slot.timed_out = false;
  while (StreamRequest* request = slot.held.PopFront()) {
    static_cast<SlotRequest*>(request)->state = SlotRequest::State::kSent;
    client->Send(request);
  }
  std::exchange(slot.connecting, nullptr)(Status::kOk, "", reply);
}

void Volume::OnClosed(ReplicaClient* client, Status status, const std::string& reason) {
  int index = SlotOf(client);
  Slot& slot = slots_[index];
  if (slot.connecting) {
    auto done = std::exchange(slot.connecting, nullptr);
    DropStream(index, true);
    done(status, reason, HelloReply());
  } else {
    EndSettlement();
    DropStream(index, true);
    listener_->OnDisconnected(index, reason);
  }
}

int Volume::SlotOf(const ReplicaClient* client) const {
  return static_cast<int>(std::find_if(slots_.begin(), slots_.end(),
                                       [&](const Slot& slot) { return slot.client.get() == client; }) -
                          slots_.begin());
}

/// Ends the stream; the requests on it are held, or forgotten.
void Volume::DropStream(int index, bool keep_requests) {
  Slot& slot = slots_[index];
  slot.timed_out = false;
  std::vector<SlotRequest*> requests;
  if (slot.connected()) EndSettlement();
  if (slot.client) {
    slot.client->Close();
    slot.crc_errors += slot.client->crc_errors();
    slot.bytes_sent += slot.client->bytes_sent();
    slot.bytes_received += slot.client->bytes_received();
    while (StreamRequest* request = slot.client->TakeRequest()) {
      requests.push_back(static_cast<SlotRequest*>(request));
    }
    // We may be inside one of its methods.
    ended_clients_.push_back(std::move(slot.client));
    loop_->RunAtEndOfCycle(this);
  }
  if (auto done = std::exchange(slot.connecting, nullptr)) {
    done(Status::kAborted, "another call took its place", HelloReply());
  }
  if (!keep_requests) {
    while (StreamRequest* request = slot.held.PopFront())
      requests.push_back(static_cast<SlotRequest*>(request));
  }
  for (SlotRequest* request : requests) {
    Flight* flight = request->flight;
    if (keep_requests && flight->operation && MayBeHeld(*request)) {
      Hold(request, false);
      continue;
    }
    request->state = SlotRequest::State::kIdle;
    request->payload = Slice();
    flight->pending &= ~Bit(index);
  }
  // Only now that nothing of the slot is half done: what ends here may submit more.
  for (SlotRequest* request : requests) {
    Flight* flight = request->flight;
    if (!flight->active || request->state == SlotRequest::State::kHeld) continue;
    if (!flight->operation) {
      if (flight->pending == 0) {
        Retire(flight);
        RunReady();
      }
    } else if (flight->audience == Flight::Audience::kNamed) {
      FinishNamed(flight, index, Status::kDisconnected);
    } else if (keep_requests) {
      Proceed(flight);
    }
  }
}

/// A slot that is named is not waited for, and one that is not RW any more is not read.
bool Volume::MayBeHeld(const SlotRequest& request) const {
  switch (request.flight->audience) {
    case Flight::Audience::kReader:
      return slots_[request.slot].mode == SlotMode::kReadWrite;
    case Flight::Audience::kWriters:
      return true;
    case Flight::Audience::kNamed:
    case Flight::Audience::kNobody:
      return false;
  }
  return false;
}

void Volume::Hold(SlotRequest* request, bool refused) {
  request->state = SlotRequest::State::kHeld;
  request->refused = refused;
  slots_[request->slot].held.PushBack(request);
}

void Volume::AtEndOfCycle() { ended_clients_.clear(); }

void Volume::SetMode(int index, SlotMode mode) {
  if (closed_ || slots_[index].mode == mode) return;
  slots_[index].mode = mode;
  readers_ =
      static_cast<SlotMask>((readers_ & ~Bit(index)) | (mode == SlotMode::kReadWrite ? Bit(index) : 0));
  writers_ = static_cast<SlotMask>((writers_ & ~Bit(index)) | (mode != SlotMode::kOff ? Bit(index) : 0));
  if (mode == SlotMode::kOff) {
    divergence_.Left(index);
    DropStream(index, false);
  }
  EndSettlement();
  unequal_.Forget(index);
  ForEachFlight([&](Flight* flight) {
    if (mode == SlotMode::kOff) flight->answered &= ~Bit(index);
    SlotRequest& request = flight->requests[index];
    if (request.state == SlotRequest::State::kHeld && !MayBeHeld(request)) {
      slots_[index].held.Remove(&request);
      request.state = SlotRequest::State::kIdle;
      flight->pending &= ~Bit(index);
    }
    Proceed(flight);
  });
  RunReady();
}

size_t Volume::FailHeld(int index, Status status) {
  size_t count = 0;
  ForEachFlight([&](Flight* flight) {
    bool held = index == kAnySlot ? flight->starved
                                  : (flight->pending & Bit(index)) != 0 &&
                                        flight->requests[index].state == SlotRequest::State::kHeld &&
                                        (flight->requests[index].refused || refusal_);
    if (!held || !flight->operation) return;
    Finish(flight, status);
    ++count;
  });
  return count;
}

void Volume::StartTimeoutTimer() {
  // Four looks per timeout: it is reported at most a quarter late.
  int64_t period_ms = std::clamp<int64_t>(options_.replica_timeout_ms / 4, 1, 1000);
  timeout_timer_ = loop_->StartTimer(period_ms, [this] {
    CheckTimeouts();
    StartTimeoutTimer();
  });
}

void Volume::CheckTimeouts() {
  for (int index = 0; index < kSlotsMax; ++index) {
    Slot& slot = slots_[index];
    if (!slot.connected() || slot.timed_out) continue;
    int64_t age_ms = slot.client->oldest_age_ms();
    if (age_ms <= options_.replica_timeout_ms) continue;
    slot.timed_out = true;
    auto* oldest = static_cast<const SlotRequest*>(slot.client->oldest());
    listener_->OnTimeout(index, oldest->flight->kind, oldest->offset, oldest->length, age_ms);
  }
}

}  // namespace aurochs
