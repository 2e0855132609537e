#include "bindings/volume.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <future>
#include <utility>

#include "bindings/arguments.h"
#include "stream/socket.h"

namespace aurochs {

namespace {

constexpr napi_type_tag kTypeTag = {0x0f0e6c3b7a914d52, 0x9a4b1d6e83c7f025};
constexpr uint64_t kSectorBytes = 512;
constexpr uint64_t kReplicaTimeoutMsMax = 3'600'000;
/// What one call from JavaScript may hold in memory, bytes.
constexpr uint64_t kCallBytesMax = 1u << 30;
constexpr size_t kNameBytesMax = 1024;

const char* KindName(OperationKind kind) {
  switch (kind) {
    case OperationKind::kRead:
      return "read";
    case OperationKind::kWrite:
      return "write";
    case OperationKind::kFlush:
      return "flush";
    case OperationKind::kUnmap:
      return "unmap";
    case OperationKind::kWriteZeroes:
      return "writeZeroes";
    case OperationKind::kCompareAndWrite:
      return "compareAndWrite";
    case OperationKind::kOrWrite:
      return "orWrite";
    case OperationKind::kCopy:
      return "copy";
    case OperationKind::kExtents:
      return "extents";
  }
  return "read";
}

const char* ModeName(SlotMode mode) {
  return mode == SlotMode::kOff ? "OFF" : mode == SlotMode::kWriteOnly ? "WO" : "RW";
}

int SlotArgument(Arguments* arguments, const Napi::CallbackInfo& info, size_t index) {
  if (info[index].IsNull()) return Volume::kAnySlot;
  return static_cast<int>(arguments->Integer(index, "slot", 0, kSlotsMax - 1));
}

}  // namespace

// ---------------------------------------------------------------------------------------------- operations

/// One call: an operation, or several when it is longer than one payload.
class VolumeObject::JsOperation {
 public:
  JsOperation(OperationKind kind, int slot, uint64_t offset, uint64_t length, Slice data = Slice())
      : kind_(kind), slot_(slot), offset_(offset), length_(length), data_(std::move(data)) {
    bool has_payload = kind == OperationKind::kRead || kind == OperationKind::kWrite;
    uint64_t part_max = has_payload ? kPayloadBytesMax : UINT64_MAX;
    uint64_t done = 0;
    do {
      auto part = std::make_unique<Part>();
      part->call = this;
      part->kind = kind;
      part->offset = offset + done;
      part->length = std::min(length - done, part_max);
      if (has_payload)
        part->payload = data_.Sub(static_cast<uint32_t>(done), static_cast<uint32_t>(part->length));
      done += part->length;
      parts_.push_back(std::move(part));
    } while (done < length);
  }

  void set_fua() {
    for (auto& part : parts_) part->fua = true;
  }
  void set_copy(int from, int to) {
    parts_[0]->from = from;
    parts_[0]->to = to;
  }
  void set_settlement() { settlement_ = true; }

  /// On the loop's thread; deletes itself when all is done.
  void Start(Volume* volume, JsBridge* bridge, SharedDeferred deferred) {
    bridge_ = bridge;
    deferred_ = std::move(deferred);
    left_ = parts_.size();
    // The last part's end may delete this.
    for (size_t i = 0, count = parts_.size(); i < count; ++i) {
      Part* part = parts_[i].get();
      if (settlement_) {
        volume->Settle(part);
      } else if (kind_ == OperationKind::kCopy) {
        volume->SubmitCopy(part);
      } else {
        volume->SubmitTo(slot_, part);
      }
    }
  }

 private:
  struct Part final : CopyOperation {
    void Done(Status status) override { call->PartDone(this, status); }
    JsOperation* call = nullptr;
  };

  void PartDone(Part* part, Status status) {
    if (status != Status::kOk && status_ == Status::kOk) {
      status_ = status;
      failed_slot_ = part->failed_slot;
    }
    if (--left_ > 0) return;
    if (status_ == Status::kOk) {
      Resolve();
    } else {
      Reject();
    }
    delete this;
  }

  void Resolve() {
    Part& part = *parts_[0];
    bridge_->Post([deferred = deferred_, kind = kind_, data = std::move(data_),
                   extents = std::move(part.extents), copied = part.copied_bytes](Napi::Env env) {
      if (kind == OperationKind::kRead) {
        deferred->Resolve(data.length == 0 ? Napi::Buffer<uint8_t>::New(env, 0)
                                           : Napi::Buffer<uint8_t>::Copy(env, data.data(), data.length));
      } else if (kind == OperationKind::kCopy) {
        deferred->Resolve(Napi::Number::New(env, static_cast<double>(copied)));
      } else if (kind == OperationKind::kExtents) {
        Napi::Array array = Napi::Array::New(env, extents.size() * 2);
        for (size_t i = 0; i < extents.size(); ++i) {
          array.Set(static_cast<uint32_t>(2 * i), static_cast<double>(extents[i].first));
          array.Set(static_cast<uint32_t>(2 * i + 1), static_cast<double>(extents[i].second));
        }
        deferred->Resolve(array);
      } else {
        deferred->Resolve(env.Undefined());
      }
    });
  }

  void Reject() {
    std::string what = settlement_ ? "settle" : KindName(kind_);
    std::string message = what;
    if (kind_ != OperationKind::kFlush) {
      message += " of " + std::to_string(length_) + " bytes at " + std::to_string(offset_);
    }
    if (slot_ != Volume::kAnySlot) message += " at slot " + std::to_string(slot_);
    message += std::string(": ") + StatusName(status_);
    bridge_->Post([deferred = deferred_, status = status_, slot = failed_slot_, message](Napi::Env env) {
      Napi::Error error = MakeError(env, status, message);
      if (slot >= 0) error.Set("slot", Napi::Number::New(env, slot));
      deferred->Reject(error.Value());
    });
  }

  OperationKind kind_;
  int slot_;
  uint64_t offset_;
  uint64_t length_;
  Slice data_;
  bool settlement_ = false;
  std::vector<std::unique_ptr<Part>> parts_;
  size_t left_ = 0;
  Status status_ = Status::kOk;
  int failed_slot_ = -1;
  JsBridge* bridge_ = nullptr;
  SharedDeferred deferred_;
};

Napi::Value VolumeObject::Run(Napi::Env env, const std::string& error,
                              std::unique_ptr<JsOperation> operation) {
  if (closing_) return Rejected(env, "CLOSED", "the volume is closed");
  if (!error.empty()) return Rejected(env, "BAD_ARGUMENT", error);
  SharedDeferred deferred = MakeDeferred(env);
  core_->loop.Post([this, deferred, started = operation.release(), volume = &core_->volume] {
    started->Start(volume, bridge_.get(), deferred);
  });
  return deferred->Promise();
}

Napi::Value VolumeObject::OnLoop(Napi::Env env, const std::string& error, std::function<void(Volume&)> work) {
  if (closing_) return Rejected(env, "CLOSED", "the volume is closed");
  if (!error.empty()) return Rejected(env, "BAD_ARGUMENT", error);
  SharedDeferred deferred = MakeDeferred(env);
  core_->loop.Post([this, deferred, work = std::move(work), volume = &core_->volume] {
    work(*volume);
    PostResolve(bridge_.get(), deferred);
  });
  return deferred->Promise();
}

/// (slot, offset, length)
Napi::Value VolumeObject::Ranged(const Napi::CallbackInfo& info, OperationKind kind) {
  Arguments arguments(info);
  int slot = SlotArgument(&arguments, info, 0);
  uint64_t offset = arguments.Integer(1, "offset", 0, kSafeIntegerMax);
  uint64_t length =
      arguments.Integer(2, "length", 0, kind == OperationKind::kRead ? kCallBytesMax : kSafeIntegerMax);
  if (offset % kSectorBytes != 0 || length % kSectorBytes != 0) {
    arguments.Refuse("offset and length have to be multiples of 512");
  }
  if (!arguments.error().empty()) return Run(info.Env(), arguments.error(), nullptr);
  Slice data = kind == OperationKind::kRead ? Slice::Allocate(static_cast<uint32_t>(length)) : Slice();
  return Run(info.Env(), "", std::make_unique<JsOperation>(kind, slot, offset, length, std::move(data)));
}

Napi::Value VolumeObject::Read(const Napi::CallbackInfo& info) { return Ranged(info, OperationKind::kRead); }
Napi::Value VolumeObject::Unmap(const Napi::CallbackInfo& info) {
  return Ranged(info, OperationKind::kUnmap);
}
Napi::Value VolumeObject::WriteZeroes(const Napi::CallbackInfo& info) {
  return Ranged(info, OperationKind::kWriteZeroes);
}
Napi::Value VolumeObject::Extents(const Napi::CallbackInfo& info) {
  return Ranged(info, OperationKind::kExtents);
}

Napi::Value VolumeObject::Write(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  int slot = SlotArgument(&arguments, info, 0);
  uint64_t offset = arguments.Integer(1, "offset", 0, kSafeIntegerMax);
  Slice data = arguments.Bytes(2, "data");
  if (offset % kSectorBytes != 0 || data.length % kSectorBytes != 0) {
    arguments.Refuse("offset and length have to be multiples of 512");
  }
  if (!arguments.error().empty()) return Run(info.Env(), arguments.error(), nullptr);
  auto operation = std::make_unique<JsOperation>(OperationKind::kWrite, slot, offset, data.length, data);
  if (Arguments::IsTrue(Arguments::Get(info[3], "fua"))) operation->set_fua();
  return Run(info.Env(), "", std::move(operation));
}

Napi::Value VolumeObject::Flush(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  int slot = SlotArgument(&arguments, info, 0);
  return Run(info.Env(), arguments.error(), std::make_unique<JsOperation>(OperationKind::kFlush, slot, 0, 0));
}

Napi::Value VolumeObject::Copy(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  int from = static_cast<int>(arguments.Integer(0, "from", 0, kSlotsMax - 1));
  int to = static_cast<int>(arguments.Integer(1, "to", 0, kSlotsMax - 1));
  uint64_t offset = arguments.Integer(2, "offset", 0, kSafeIntegerMax);
  uint64_t length = arguments.Integer(3, "length", 0, kSafeIntegerMax);
  if (from == to) arguments.Refuse("from and to have to be different slots");
  if (offset % kSectorBytes != 0 || length % kSectorBytes != 0) {
    arguments.Refuse("offset and length have to be multiples of 512");
  }
  auto operation = std::make_unique<JsOperation>(OperationKind::kCopy, Volume::kAnySlot, offset, length);
  operation->set_copy(from, to);
  return Run(info.Env(), arguments.error(), std::move(operation));
}

Napi::Value VolumeObject::Settle(const Napi::CallbackInfo& info) {
  auto operation = std::make_unique<JsOperation>(OperationKind::kFlush, Volume::kAnySlot, 0, 0);
  operation->set_settlement();
  return Run(info.Env(), "", std::move(operation));
}

// ---------------------------------------------------------------------------------------------- slots

/// Asks the name server off both threads, then connects.
class VolumeObject::ConnectWork final : public Napi::AsyncWorker {
 public:
  using Start = std::function<void(Volume& volume, std::vector<SocketAddress>, ConnectCallback)>;

  ConnectWork(Napi::Env env, VolumeObject* volume, std::string host, uint16_t port, Start start)
      : Napi::AsyncWorker(env, "aurochs.connect"),
        volume_(volume),
        host_(std::move(host)),
        port_(port),
        start_(std::move(start)),
        deferred_(MakeDeferred(env)) {
    volume_->Ref();
  }

  Napi::Value Promise() const { return deferred_->Promise(); }

 protected:
  void Execute() override { addresses_ = ResolveAddress(host_, port_, &error_); }

  void OnOK() override {
    if (volume_->closing_) {
      deferred_->Reject(MakeError(Env(), "CLOSED", "the volume is closed").Value());
    } else if (addresses_.empty()) {
      deferred_->Reject(MakeError(Env(), Status::kDisconnected, error_).Value());
    } else {
      JsBridge* bridge = volume_->bridge_.get();
      volume_->core_->loop.Post([volume = &volume_->core_->volume, bridge, start = start_,
                                 addresses = std::move(addresses_), deferred = deferred_] {
        start(*volume, addresses,
              [bridge, deferred](Status status, const std::string& message, const HelloReply& reply) {
                if (status == Status::kOk) {
                  Resolve(bridge, deferred, reply);
                } else {
                  PostReject(bridge, deferred, status, message);
                }
              });
      });
    }
    volume_->Unref();
  }

 private:
  static void Resolve(JsBridge* bridge, const SharedDeferred& deferred, const HelloReply& reply) {
    bridge->Post([deferred, reply](Napi::Env env) {
      Napi::Object object = Napi::Object::New(env);
      object.Set("size", static_cast<double>(reply.size));
      object.Set("maxRequests", reply.max_requests);
      object.Set("maxPayload", reply.max_payload);
      object.Set("maxPayloadInFlight", static_cast<double>(reply.max_payload_in_flight));
      deferred->Resolve(object);
    });
  }

  VolumeObject* volume_;
  std::string host_;
  uint16_t port_;
  Start start_;
  SharedDeferred deferred_;
  std::vector<SocketAddress> addresses_;
  std::string error_;
};

Napi::Value VolumeObject::Connect(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  int slot = static_cast<int>(arguments.Integer(0, "slot", 0, kSlotsMax - 1));
  Hello hello;
  hello.volume = arguments.StringProperty(info[3], "volume", kNameBytesMax);
  hello.replica_id = arguments.StringProperty(info[3], "replicaId", kNameBytesMax);
  hello.engine_id = arguments.StringProperty(info[3], "engineId", kNameBytesMax);
  hello.generation = arguments.Property(info[3], "generation", 0, kSafeIntegerMax);
  return ConnectTo(info, &arguments,
                   [slot, hello](Volume& volume, std::vector<SocketAddress> addresses, ConnectCallback done) {
                     volume.Connect(slot, std::move(addresses), hello, std::move(done));
                   });
}

Napi::Value VolumeObject::ConnectLonghorn(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  int slot = static_cast<int>(arguments.Integer(0, "slot", 0, kSlotsMax - 1));
  bool unmap_zeroes = Arguments::IsTrue(info[3]);
  return ConnectTo(
      info, &arguments,
      [slot, unmap_zeroes](Volume& volume, std::vector<SocketAddress> addresses, ConnectCallback done) {
        volume.ConnectLonghorn(slot, std::move(addresses), unmap_zeroes, std::move(done));
      });
}

/// To the host and port that the second and third argument name.
Napi::Value VolumeObject::ConnectTo(
    const Napi::CallbackInfo& info, Arguments* arguments,
    std::function<void(Volume&, std::vector<SocketAddress>, ConnectCallback)> start) {
  Napi::Env env = info.Env();
  std::string host = arguments->String(1, "host", kNameBytesMax);
  auto port = static_cast<uint16_t>(arguments->Integer(2, "port", 0, UINT16_MAX));
  if (closing_) return Rejected(env, "CLOSED", "the volume is closed");
  if (!arguments->error().empty()) return Rejected(env, "BAD_ARGUMENT", arguments->error());
  auto* work = new ConnectWork(env, this, std::move(host), port, std::move(start));
  Napi::Value promise = work->Promise();
  work->Queue();  // deletes itself
  return promise;
}

Napi::Value VolumeObject::SetUnmapZeroes(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  int slot = static_cast<int>(arguments.Integer(0, "slot", 0, kSlotsMax - 1));
  bool zeroes = Arguments::IsTrue(info[1]);
  return OnLoop(info.Env(), arguments.error(),
                [slot, zeroes](Volume& volume) { volume.SetUnmapZeroes(slot, zeroes); });
}

Napi::Value VolumeObject::SetMode(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  int slot = static_cast<int>(arguments.Integer(0, "slot", 0, kSlotsMax - 1));
  std::string name = arguments.String(1, "mode", 3);
  auto mode = SlotMode::kOff;
  if (name == "RW") {
    mode = SlotMode::kReadWrite;
  } else if (name == "WO") {
    mode = SlotMode::kWriteOnly;
  } else if (name != "OFF") {
    arguments.Refuse("mode has to be RW, WO or OFF");
  }
  return OnLoop(info.Env(), arguments.error(), [slot, mode](Volume& volume) { volume.SetMode(slot, mode); });
}

Napi::Value VolumeObject::FailHeld(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Arguments arguments(info);
  int slot = SlotArgument(&arguments, info, 0);
  Status status = arguments.StatusArgument(1, "status");
  if (closing_) return Rejected(env, "CLOSED", "the volume is closed");
  if (!arguments.error().empty()) return Rejected(env, "BAD_ARGUMENT", arguments.error());
  SharedDeferred deferred = MakeDeferred(env);
  core_->loop.Post([this, deferred, slot, status, volume = &core_->volume] {
    size_t count = volume->FailHeld(slot, status);
    bridge_->Post([deferred, count](Napi::Env env) {
      deferred->Resolve(Napi::Number::New(env, static_cast<double>(count)));
    });
  });
  return deferred->Promise();
}

Napi::Value VolumeObject::Grow(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  uint64_t size = arguments.Integer(0, "size", options_.size, kSafeIntegerMax);
  if (size % kSectorBytes != 0) arguments.Refuse("size has to be a multiple of 512");
  if (arguments.error().empty()) options_.size = size;
  return OnLoop(info.Env(), arguments.error(), [size](Volume& volume) { volume.Grow(size); });
}

Napi::Value VolumeObject::Refuse(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  std::optional<Status> status;
  if (!info[0].IsNull()) status = arguments.StatusArgument(0, "status");
  return OnLoop(info.Env(), arguments.error(), [status](Volume& volume) { volume.Refuse(status); });
}

Napi::Value VolumeObject::WatchUnmaps(const Napi::CallbackInfo& info) {
  bool on = Arguments::IsTrue(info[0]);
  return OnLoop(info.Env(), "", [on](Volume& volume) { volume.WatchUnmaps(on); });
}

Napi::Value VolumeObject::HoldReads(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  int slot = static_cast<int>(arguments.Integer(0, "slot", 0, kSlotsMax - 1));
  std::vector<Unequal::Range> ranges;
  if (!info[1].IsArray()) arguments.Refuse("ranges has to be an array of [offset, length, ...]");
  auto numbers = info[1].As<Napi::Array>();
  uint32_t count = arguments.error().empty() ? numbers.Length() / 2 : 0;
  ranges.reserve(count);
  uint64_t at = 0;
  for (uint32_t i = 0; i < count && arguments.error().empty(); ++i) {
    Napi::HandleScope scope(info.Env());
    uint64_t offset =
        arguments.Integer(numbers[2 * i], "an offset of ranges, which ascend,", at, kSafeIntegerMax);
    uint64_t length =
        arguments.Integer(numbers[2 * i + 1], "a length of ranges", 1, kSafeIntegerMax - offset);
    at = offset + length;
    ranges.push_back({offset, at});
  }
  return OnLoop(info.Env(), arguments.error(),
                [slot, ranges = std::move(ranges)](Volume& volume) { volume.HoldReads(slot, ranges); });
}

Napi::Value VolumeObject::Clock(const Napi::CallbackInfo& info) {
  return Napi::Number::New(info.Env(), static_cast<double>(Volume::Clock() / 1000));
}

Napi::Value VolumeObject::LeaseReads(const Napi::CallbackInfo& info) {
  Arguments arguments(info);
  int64_t until_us = Volume::kForGood;
  if (!info[0].IsNull()) until_us = arguments.Integer(0, "until", 0, kSafeIntegerMax / 1000) * 1000;
  return OnLoop(info.Env(), arguments.error(), [until_us](Volume& volume) { volume.LeaseReads(until_us); });
}

Napi::Value VolumeObject::Quiesce(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  if (closing_) return Rejected(env, "CLOSED", "the volume is closed");
  SharedDeferred deferred = MakeDeferred(env);
  core_->loop.Post([this, deferred, volume = &core_->volume] {
    volume->Quiesce([this, deferred] { PostResolve(bridge_.get(), deferred); });
  });
  return deferred->Promise();
}

Napi::Value VolumeObject::Resume(const Napi::CallbackInfo& info) {
  return OnLoop(info.Env(), "", [](Volume& volume) { volume.Resume(); });
}

// ---------------------------------------------------------------------------------------------- the socket

Napi::Value VolumeObject::OpenSocket(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  Arguments arguments(info);
  std::string path = arguments.String(0, "path", kNameBytesMax);
  Napi::Function on_ended = arguments.Function(1, "onEnded");
  if (!on_socket_ended_.IsEmpty()) arguments.Refuse("the volume has a socket");
  if (closing_) return Rejected(env, "CLOSED", "the volume is closed");
  if (!arguments.error().empty()) return Rejected(env, "BAD_ARGUMENT", arguments.error());
  SharedDeferred deferred = MakeDeferred(env);
  std::string why;
  int fd = ListenUnix(path, &why);
  if (fd < 0) {
    int error = errno;
    deferred->Reject(MakeError(env, StatusName(Status::kIoError), why, error).Value());
    return deferred->Promise();
  }
  on_socket_ended_ = Napi::Persistent(on_ended);
  core_->loop.Post([this, deferred, fd, core = core_.get()] {
    VolumeSocket::Listener* listener = this;
    core->socket = std::make_unique<VolumeSocket>(&core->loop, &core->volume, fd, listener);
    PostResolve(bridge_.get(), deferred);
  });
  return deferred->Promise();
}

Napi::Value VolumeObject::CloseSocket(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  if (closing_) return Rejected(env, "CLOSED", "the volume is closed");
  SharedDeferred deferred = MakeDeferred(env);
  if (on_socket_ended_.IsEmpty()) {
    deferred->Resolve(env.Undefined());
    return deferred->Promise();
  }
  waiting_for_socket_.push_back(deferred);
  if (waiting_for_socket_.size() > 1) return deferred->Promise();
  core_->loop.Post([this, core = core_.get()] {
    core->socket->Close([this, core] {
      core->socket.reset();
      bridge_->Post([this](Napi::Env env) { SocketClosed(env); });
    });
  });
  return deferred->Promise();
}

void VolumeObject::SocketClosed(Napi::Env env) {
  on_socket_ended_.Reset();
  for (auto& deferred : std::exchange(waiting_for_socket_, {})) deferred->Resolve(env.Undefined());
}

void VolumeObject::OnConnectionEnded(const std::string& reason) {
  bridge_->Post([this, reason](Napi::Env env) {
    if (!on_socket_ended_.IsEmpty()) on_socket_ended_.Call({Napi::String::New(env, reason)});
  });
}

// ---------------------------------------------------------------------------------------------- the rest

Napi::Value VolumeObject::Stats(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  if (closing_) {
    MakeError(env, "CLOSED", "the volume is closed").ThrowAsJavaScriptException();
    return env.Undefined();
  }
  // The loop never waits for JavaScript, so waiting for one of its cycles is short and cannot lock up.
  std::promise<Volume::Stats> promise;
  core_->loop.Post([&promise, volume = &core_->volume] { promise.set_value(volume->stats()); });
  Volume::Stats stats = promise.get_future().get();

  auto number = [](uint64_t value) { return static_cast<double>(value); };
  Napi::Array slots = Napi::Array::New(env, kSlotsMax);
  for (uint32_t i = 0; i < kSlotsMax; ++i) {
    const Volume::SlotStats& from = stats.slots[i];
    Napi::Object slot = Napi::Object::New(env);
    slot.Set("connected", from.connected);
    slot.Set("mode", ModeName(from.mode));
    slot.Set("inFlight", number(from.in_flight));
    slot.Set("held", number(from.held));
    slot.Set("timedOut", from.timed_out);
    slot.Set("crcErrors", number(from.crc_errors));
    slots.Set(i, slot);
  }
  auto latency_of = [env, number](const LatencyCounts& from) {
    Napi::Array counts = Napi::Array::New(env);
    for (size_t bucket = 0; bucket < LatencyCounts::kBuckets; ++bucket) {
      if (from[bucket] == 0) continue;
      counts.Set(counts.Length(), number(LatencyCounts::EndOf(bucket)));
      counts.Set(counts.Length(), number(from[bucket]));
    }
    Napi::Object latency = Napi::Object::New(env);
    latency.Set("counts", counts);
    latency.Set("sumMicros", number(from.sum_us()));
    return latency;
  };
  Napi::Object latency = Napi::Object::New(env);
  latency.Set("read", latency_of(stats.read_latency));
  latency.Set("write", latency_of(stats.write_latency));
  latency.Set("flush", latency_of(stats.flush_latency));
  latency.Set("unmap", latency_of(stats.unmap_latency));
  Napi::Object object = Napi::Object::New(env);
  object.Set("reads", number(stats.reads));
  object.Set("writes", number(stats.writes));
  object.Set("flushes", number(stats.flushes));
  object.Set("unmaps", number(stats.unmaps));
  object.Set("readBytes", number(stats.read_bytes));
  object.Set("writtenBytes", number(stats.written_bytes));
  object.Set("readMicros", number(stats.read_us));
  object.Set("writeMicros", number(stats.write_us));
  object.Set("failed", number(stats.failed));
  object.Set("inFlight", number(stats.in_flight));
  object.Set("differing", number(stats.differing));
  object.Set("latency", latency);
  object.Set("slots", slots);
  return object;
}

Napi::Value VolumeObject::Close(const Napi::CallbackInfo& info) {
  Napi::Env env = info.Env();
  SharedDeferred deferred = MakeDeferred(env);
  if (!core_) {
    deferred->Resolve(env.Undefined());
    return deferred->Promise();
  }
  waiting_for_close_.push_back(deferred);
  if (!std::exchange(closing_, true)) {
    core_->loop.Post([this, core = core_.get()] {
      core->volume.Close();
      core->socket.reset();
      bridge_->Post([this](Napi::Env env) { Closed(env); });
    });
  }
  return deferred->Promise();
}

void VolumeObject::Closed(Napi::Env env) {
  core_.reset();
  bridge_->Close();
  SocketClosed(env);
  for (auto& deferred : std::exchange(waiting_for_close_, {})) deferred->Resolve(env.Undefined());
  on_event_.Reset();
  Unref();
}

void VolumeObject::EmitEvent(std::function<void(Napi::Env, Napi::Object)> fill) {
  bridge_->Post([this, fill = std::move(fill)](Napi::Env env) {
    Napi::Object event = Napi::Object::New(env);
    fill(env, event);
    on_event_.Call({event});
  });
}

void VolumeObject::OnDisconnected(int slot, const std::string& reason) {
  EmitEvent([slot, reason](Napi::Env, Napi::Object event) {
    event.Set("type", "disconnected");
    event.Set("slot", slot);
    event.Set("reason", reason);
  });
}

void VolumeObject::OnFailed(int slot, Status status, const std::string& message, OperationKind kind,
                            uint64_t offset, uint64_t length) {
  EmitEvent([=](Napi::Env, Napi::Object event) {
    event.Set("type", "failed");
    event.Set("slot", slot);
    event.Set("status", StatusName(status));
    event.Set("message", message);
    event.Set("op", KindName(kind));
    event.Set("offset", static_cast<double>(offset));
    event.Set("length", static_cast<double>(length));
  });
}

void VolumeObject::OnTimeout(int slot, OperationKind kind, uint64_t offset, uint64_t length,
                             int64_t elapsed_ms) {
  EmitEvent([=](Napi::Env, Napi::Object event) {
    event.Set("type", "timeout");
    event.Set("slot", slot);
    event.Set("op", KindName(kind));
    event.Set("offset", static_cast<double>(offset));
    event.Set("length", static_cast<double>(length));
    event.Set("elapsedMs", static_cast<double>(elapsed_ms));
  });
}

void VolumeObject::OnUnmapsWaiting() {
  EmitEvent([](Napi::Env, Napi::Object event) { event.Set("type", "unmapsWaiting"); });
}

void VolumeObject::OnReadWaits(uint64_t offset, uint64_t length) {
  EmitEvent([=](Napi::Env, Napi::Object event) {
    event.Set("type", "readWaits");
    event.Set("offset", static_cast<double>(offset));
    event.Set("length", static_cast<double>(length));
  });
}

VolumeObject::VolumeObject(const Napi::CallbackInfo& info) : Napi::ObjectWrap<VolumeObject>(info) {
  Napi::Env env = info.Env();
  Arguments arguments(info);
  options_.size = arguments.Property(info[0], "size", kSectorBytes, kSafeIntegerMax);
  options_.replica_timeout_ms =
      static_cast<int64_t>(arguments.Property(info[0], "replicaTimeoutMs", 1, kReplicaTimeoutMsMax));
  if (options_.size % kSectorBytes != 0) arguments.Refuse("size has to be a multiple of 512");
  Napi::Function on_event = arguments.Function(1, "onEvent");
  if (!arguments.error().empty()) {
    closing_ = true;
    MakeError(env, "BAD_ARGUMENT", arguments.error()).ThrowAsJavaScriptException();
    return;
  }
  napi_type_tag_object(env, info.This(), &kTypeTag);
  on_event_ = Napi::Persistent(on_event);
  bridge_ = std::make_unique<JsBridge>(env, "aurochs.volume", [this] {
    if (!core_) return;
    closing_ = true;
    core_->loop.Post([volume = &core_->volume] { volume->Close(); });
    core_->loop.Stop();
  });
  core_ = std::make_shared<VolumeCore>(options_, static_cast<Volume::Listener*>(this));
  Ref();  // events and promises refer to this object until it is closed
}

VolumeObject* VolumeObject::Of(const Napi::Value& value) {
  bool ours = false;
  if (!value.IsObject()) return nullptr;
  napi_check_object_type_tag(value.Env(), value, &kTypeTag, &ours);
  return ours ? Unwrap(value.As<Napi::Object>()) : nullptr;
}

Napi::Function VolumeObject::Define(Napi::Env env) {
  return DefineClass(env, "Volume",
                     {
                         InstanceMethod<&VolumeObject::Connect>("connect"),
                         InstanceMethod<&VolumeObject::ConnectLonghorn>("connectLonghorn"),
                         InstanceMethod<&VolumeObject::SetUnmapZeroes>("setUnmapZeroes"),
                         InstanceMethod<&VolumeObject::SetMode>("setMode"),
                         InstanceMethod<&VolumeObject::FailHeld>("failHeld"),
                         InstanceMethod<&VolumeObject::Refuse>("refuse"),
                         InstanceMethod<&VolumeObject::Grow>("grow"),
                         InstanceMethod<&VolumeObject::Read>("read"),
                         InstanceMethod<&VolumeObject::Write>("write"),
                         InstanceMethod<&VolumeObject::Unmap>("unmap"),
                         InstanceMethod<&VolumeObject::WriteZeroes>("writeZeroes"),
                         InstanceMethod<&VolumeObject::Flush>("flush"),
                         InstanceMethod<&VolumeObject::Extents>("extents"),
                         InstanceMethod<&VolumeObject::Copy>("copy"),
                         InstanceMethod<&VolumeObject::Settle>("settle"),
                         InstanceMethod<&VolumeObject::WatchUnmaps>("watchUnmaps"),
                         InstanceMethod<&VolumeObject::HoldReads>("holdReads"),
                         InstanceMethod<&VolumeObject::Clock>("clock"),
                         InstanceMethod<&VolumeObject::LeaseReads>("leaseReads"),
                         InstanceMethod<&VolumeObject::Quiesce>("quiesce"),
                         InstanceMethod<&VolumeObject::Resume>("resume"),
                         InstanceMethod<&VolumeObject::OpenSocket>("openSocket"),
                         InstanceMethod<&VolumeObject::CloseSocket>("closeSocket"),
                         InstanceMethod<&VolumeObject::Stats>("stats"),
                         InstanceMethod<&VolumeObject::Close>("close"),
                     });
}

}  // namespace aurochs
