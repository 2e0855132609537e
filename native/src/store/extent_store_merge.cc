// Merging two layers. Until all is copied and durable, what the upper layer holds is read from its own file,
// and nobody reads the blocks that are written into the lower one: a crash on the way leaves a lower layer,
// marked as removed, in which some blocks are those of the layer above it that hides them.
//
// Then both ids name the lower file. The upper's id is rewritten in the index bit by bit, to be free again.
#include <algorithm>
#include <cerrno>
#include <cstring>

#include "base/buffer.h"
#include "base/limits.h"
#include "store/chain_work.h"
#include "store/limits.h"

namespace aurochs {

namespace {
uint64_t RoundDown(uint64_t offset) { return offset & ~(kBlockBytes - 1); }
uint64_t RoundUp(uint64_t offset) { return RoundDown(offset + kBlockBytes - 1); }
}  // namespace

void ExtentStore::MergeLayers(const std::string& lower, const std::string& upper, Progress progress,
                              Callback done) {
  if (!Usable(done)) return;
  uint8_t lower_id = chain_->IdOf(lower), upper_id = chain_->IdOf(upper);
  auto at = std::find(chain_->order.begin(), chain_->order.end(), lower_id);
  std::string problem;
  if (merge_ != nullptr || prune_ != nullptr) problem = "layers are being merged or pruned";
  if (lower_id == 0 || lower_id == chain_->head_id()) problem = lower + ": is no layer behind the head";
  if (problem.empty() && (upper_id == 0 || upper_id == chain_->head_id() || *++at != upper_id)) {
    problem = upper + ": is not the layer between " + lower + " and the head";
  }
  if (problem.empty() && (chain_->file(lower_id).mapped() || chain_->file(upper_id).mapped())) {
    problem = "a mapped file cannot be merged";
  }
  if (problem.empty() && chain_->file(upper_id).file_bytes() < chain_->file(lower_id).file_bytes()) {
    problem = upper + ": is shorter than " + lower;
  }
  if (!problem.empty()) {
    done(Status::kInvalid, problem.c_str());
    return;
  }
  merge_ = std::make_unique<Merge>(Merge{lower_id, upper_id, chain_->files[lower_id], chain_->files[upper_id],
                                         std::move(progress), std::move(done), options_.direct, size_});
  Chain next = *chain_;
  next.busy = {lower_id, upper_id};
  Publish(std::move(next), [this] { ContinueMerge(); });
}

void ExtentStore::ContinueMerge() {
  if (closing_) {
    EndMerge(Status::kNotOpen, "the store is closed");
    return;
  }
  InBackground([this] { merge_->CopyPiece(); },
               [this] {
                 if (!merge_->error.message.empty()) {
                   EndMerge(StatusOfErrno(merge_->error.system_errno), merge_->error.message);
                   return;
                 }
                 merge_->progress(merge_->position, merge_->length());
                 merge_->merged != nullptr ? FinishMerge() : ContinueMerge();
               });
}

void ExtentStore::FinishMerge() {
  auto [lower, upper] = std::pair(merge_->lower_id, merge_->upper_id);
  Chain next = *chain_;
  next.files[lower] = next.files[upper] = merge_->merged;
  std::erase(next.order, upper);
  // Nothing of it is freed until the owner says that the upper's file is gone: it would show it again.
  std::erase(next.removed, lower);
  std::erase(next.removed, upper);
  next.busy.clear();
  Publish(std::move(next), nullptr);
  merge_->lower.reset();
  merge_->upper.reset();
  merge_->merged.reset();
  RenameMerged(0);
}

void ExtentStore::RenameMerged(uint64_t chunk) {
  if (closing_) {
    EndMerge(Status::kNotOpen, "the store is closed");
    return;
  }
  uint64_t end = std::min(chunk + kChunksAtOnce, index_->chunks());
  index_->Rename(chunk, end, merge_->upper_id, merge_->lower_id);
  if (end < index_->chunks()) {
    loop_->Post([this, end] { RenameMerged(end); });
    return;
  }
  Chain next = *chain_;
  next.files[merge_->upper_id].reset();
  Publish(std::move(next), [this] { EndMerge(Status::kOk, ""); });
}

void ExtentStore::EndMerge(Status status, const std::string& message) {
  auto merge = std::move(merge_);
  if (!chain_->busy.empty()) {
    Chain next = *chain_;
    next.busy.clear();
    Publish(std::move(next), nullptr);
  }
  merge->done(status, message.c_str());
  if (closing_) FinishCloseWhenIdle();
}

// ---------------------------------------------------------------------------------------------- copying

bool ExtentStore::Merge::Check(const Layer& layer, const char* what, int system_errno) {
  if (system_errno == 0) return true;
  error = {layer.Describe(what, system_errno), system_errno == Layer::kShortRead ? 0 : system_errno};
  return false;
}

bool ExtentStore::Merge::Begin() {
  if (!lower->OpenForChanges(&error.message, &error.system_errno)) return false;
  return Check(*lower, "truncate", lower->Extend(length()));
}

bool ExtentStore::Merge::Copy(uint64_t begin, uint64_t end) {
  BufferRef buffer = Buffer::Allocate(kMergeBufferBytes);
  end = std::min(end, length());
  for (uint64_t offset = begin; offset < end;) {
    uint64_t count = std::min(end - offset, kMergeBufferBytes);
    uint64_t written;
    if (!Check(*lower, "write", lower->HasRoom(count + kSpareBytes) ? 0 : ENOSPC)) return false;
    if (!Check(*upper, "read", upper->Read(offset, count, buffer.data()))) return false;
    // An earlier try may have failed in its sync: see extent_store_rewrite.cc. Nobody reads what is freed.
    int freed = lower->Free(offset, RoundUp(count));
    if (!Check(*lower, "punch hole", freed == EOPNOTSUPP ? 0 : freed)) return false;
    if (!Check(*lower, "write", lower->Write(offset, count, buffer.data(), &written))) return false;
    unsynced += count;
    offset += count;
  }
  return true;
}

bool ExtentStore::Merge::Zero(uint64_t begin, uint64_t end) {
  if (begin >= end) return true;
  if (!Check(*lower, "zero range", lower->HasRoom(end - begin + kSpareBytes) ? 0 : ENOSPC)) return false;
  return Check(*lower, "zero range", lower->ZeroRange(begin, end - begin));
}

// A layer holds little of a large volume: what it does not hold is passed over at once, since each piece
// costs a turn of the loop that I/O needs, too.
void ExtentStore::Merge::CopyPiece() {
  bool first = position == 0;
  if (first && !Begin()) return;
  uint64_t next;
  error.message = upper->NextExtent(position, length(), first, &next);
  if (!error.message.empty()) return;
  position = next == length() ? next : RoundDown(next);
  struct Piece {
    uint64_t begin, end;
    bool zeros;
  };
  std::vector<Piece> pieces;
  uint64_t end = std::min(position + kMergeWindowBytes, length());
  error.message = upper->Extents(position, end, false, [&](uint64_t offset, uint64_t bytes, bool unwritten) {
    Piece piece{offset, offset + bytes, false};
    // Of blocks with several extents, only those that are zeros throughout.
    Piece inner{RoundUp(piece.begin), RoundDown(piece.end), true};
    if (!unwritten || inner.begin >= inner.end) {
      pieces.push_back({RoundDown(piece.begin), RoundUp(piece.end), false});
      return;
    }
    if (piece.begin < inner.begin) pieces.push_back({RoundDown(piece.begin), inner.begin, false});
    pieces.push_back(inner);
    if (inner.end < piece.end) pieces.push_back({inner.end, RoundUp(piece.end), false});
  });
  if (!error.message.empty()) return;
  for (const Piece& piece : pieces) {
    if (!(piece.zeros ? Zero(piece.begin, piece.end) : Copy(piece.begin, piece.end))) return;
  }
  position = end;
  if (unsynced >= kWriteOutBytes || position == length()) {
    unsynced = 0;
    if (!Check(*lower, "fdatasync", lower->Sync())) return;
  }
  if (position == length()) End();
}

// The file has become longer, which a layer that is in use does not notice.
bool ExtentStore::Merge::End() {
  auto layer = Layer::Open(lower->spec(), volume_bytes, false, direct, &error.message, &error.system_errno);
  if (layer == nullptr || !layer->OpenForChanges(&error.message, &error.system_errno)) return false;
  if (!layer->SameFile(*lower)) {
    error.message = lower->path() + ": is another file than when it was opened";
    return false;
  }
  merged = std::move(layer);
  return true;
}

}  // namespace aurochs
