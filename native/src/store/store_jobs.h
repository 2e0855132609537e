// The jobs that ExtentStore gives to its helper threads. Private to the store's own sources.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "store/extent_store.h"

namespace aurochs {

/// The rest of a read that the page cache could not answer.
class ExtentStore::ReadTask final : public IoJob {
 public:
  struct Piece {
    uint64_t offset;
    uint64_t length;
    uint8_t layer;
    uint8_t* data;
  };

  explicit ReadTask(ExtentStore* store) : store_(store) {}
  void Start(StoreRequest* request, uint64_t from);
  void Run() override;
  void Finish() override;

 private:
  ExtentStore* store_;
  StoreRequest* request_ = nullptr;
  std::vector<Piece> pieces_;
  int error_ = 0;
  uint8_t failed_layer_ = 0;
};

/// A change that may wait for the disk: fills, then the plan's steps; long ones segment by segment.
class ExtentStore::ChangeTask final : public IoJob {
 public:
  explicit ChangeTask(ExtentStore* store) : store_(store) {}
  void Start(StoreRequest* request);
  void Run() override;
  void Finish() override;

 private:
  void SubmitSegment();

  ExtentStore* store_;
  StoreRequest* request_ = nullptr;
  ChangePlan plan_;
  Applied applied_;
  std::string fill_error_;
  uint64_t position_ = 0;     // the segment's first byte
  uint64_t segment_end_ = 0;  // one past its last byte
};

class ExtentStore::SyncJob final : public IoJob {
 public:
  explicit SyncJob(ExtentStore* store) : store_(store) {}
  void Run() override { error_ = store_->layers_.back()->Sync(); }
  void Finish() override { store_->FinishSync(error_); }

 private:
  ExtentStore* store_;
  int error_ = 0;
};

class ExtentStore::MapJob final : public IoJob {
 public:
  explicit MapJob(ExtentStore* store) : store_(store) {}
  void Start(RegionMap::Round round);
  void Run() override { store_->map_files_->Write(round_, &error_); }
  void Finish() override { store_->FinishMapRound(error_); }

 private:
  ExtentStore* store_;
  RegionMap::Round round_;
  MapFile::Error error_;
};

class ExtentStore::WriteOutJob final : public IoJob {
 public:
  explicit WriteOutJob(ExtentStore* store) : store_(store) {}
  void Run() override { error_ = store_->layers_.back()->StartWriteOut(); }
  void Finish() override { store_->FinishWriteOut(error_); }

 private:
  ExtentStore* store_;
  int error_ = 0;
};

}  // namespace aurochs
