// The jobs that ExtentStore gives to its helper threads. Private to the store's own sources.
#pragma once

#include <memory>
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
  std::shared_ptr<const Chain> chain_;
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
  /// Or waits until it may.
  void SubmitSegment();

 private:
  void PlanSegment();

  ExtentStore* store_;
  StoreRequest* request_ = nullptr;
  std::shared_ptr<const Chain> chain_;
  ChangePlan plan_;
  Applied applied_;
  std::string read_error_;
  uint64_t position_ = 0;     // the segment's first byte
  uint64_t segment_end_ = 0;  // one past its last byte
};

/// Does the same with several files.
class ExtentStore::FilesJob : public IoJob {
 public:
  FilesJob(ExtentStore* store, const char* what) : store_(store), what_(what) {}
  void Start(std::vector<std::shared_ptr<Layer>> files);
  void Run() override;

 protected:
  ~FilesJob() = default;
  virtual int Work(const Layer& file) = 0;

  ExtentStore* store_;
  std::vector<std::shared_ptr<Layer>> files_;
  std::string error_;
  int system_errno_ = 0;

 private:
  const char* what_;
};

class ExtentStore::SyncJob final : public FilesJob {
 public:
  explicit SyncJob(ExtentStore* store) : FilesJob(store, "fdatasync") {}
  void Finish() override { store_->FinishSync(error_, system_errno_); }

 private:
  int Work(const Layer& file) override { return file.Sync(); }
};

class ExtentStore::WriteOutJob final : public FilesJob {
 public:
  explicit WriteOutJob(ExtentStore* store) : FilesJob(store, "sync_file_range") {}
  void Finish() override { store_->FinishWriteOut(error_, system_errno_); }

 private:
  int Work(const Layer& file) override { return file.StartWriteOut(); }
};

class ExtentStore::MapJob final : public IoJob {
 public:
  explicit MapJob(ExtentStore* store) : store_(store) {}
  void Start(RegionMap::Round round, std::vector<MapBlockImage> zeros);
  void Run() override;
  void Finish() override { store_->FinishMapRound(error_); }

 private:
  ExtentStore* store_;
  RegionMap::Round round_;
  std::vector<MapBlockImage> zeros_;
  MapFile::Error error_;
};

/// One piece of work, then what follows from it on the loop's thread.
class ExtentStore::BackgroundJob final : public IoJob {
 public:
  BackgroundJob(ExtentStore* store, std::function<void()> work, std::function<void()> then)
      : store_(store), work_(std::move(work)), then_(std::move(then)) {}
  void Run() override { work_(); }
  void Finish() override;

 private:
  ExtentStore* store_;
  std::function<void()> work_;
  std::function<void()> then_;
};

}  // namespace aurochs
