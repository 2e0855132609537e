// Initiators that read, write, unmap and flush at random, log in again when their session is lost, and write
// down every operation with the time it took: what the checker judges. Every sector of 512 bytes is written
// as a stamp, (sector number, version), repeated; no two writes have the same version; what was never written
// is version 0.
//
//   usage: recorded_load URL RECORD SEED SECTORS SESSIONS DEPTH RATE NUMBER
//
// Operations stay below SECTORS; each session has up to DEPTH under way; all together start RATE a second.
// Loads with different NUMBERs are different initiators and write different versions.
//
// Standard input, a line each:
//   run     from now on random operations
//   pause   no more of them; answered by "paused" when none is under way
//   sweep   while paused: reads every sector twice, answered by "swept"
//   flush   while paused: makes everything durable, answered by "flushed"
//   record FILE   while paused: writes down there what comes, answered by "recording"
// Standard output also has a line "done OK ERRORS LOST", several a second: what was answered so far.
//
// The record, a line for each operation, times in ns of CLOCK_MONOTONIC:
//   KIND START END RESULT SECTOR COUNT VERSION       KIND: W write, X write with FUA, U unmap, F flush (0 0
//   0) R START END RESULT SECTOR VERSIONxCOUNT...       a version of -1: not one whole stamp of that sector
// RESULT is ok, error/STATUS/KEY/ASCQ in hexadecimal, or lost: the session ended before an answer came. The
// END of one that was lost is when the same initiator had logged in again, which ends all that its old
// session has asked for.

#include <inttypes.h>
#include <iscsi/iscsi.h>
#include <iscsi/scsi-lowlevel.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <random>
#include <string>
#include <vector>

namespace {

constexpr uint64_t kSector = 512;
constexpr uint64_t kSweepSectors = 512;
// of one load
constexpr uint64_t kVersionsMax = uint64_t{1} << 40;
constexpr int64_t kSecond = 1'000'000'000;
constexpr int64_t kRetryLogin = kSecond / 5;
constexpr int64_t kLoginMax = 3 * kSecond;
// A session that has not even answered a ping for so long is given up, as the kernel's initiator does.
constexpr int64_t kPingEvery = 2 * kSecond;
constexpr int64_t kSilenceMax = 10 * kSecond;
constexpr int64_t kReportEvery = kSecond / 10;

struct Stamp {
  uint64_t sector;
  uint64_t version;
};
constexpr size_t kStampsPerSector = kSector / sizeof(Stamp);

class Session;

struct Operation {
  Session* session;
  char kind;
  int64_t start;
  uint64_t sector;
  uint64_t count;
  uint64_t version;
  std::vector<Stamp> data;  // of a write: it is sent from here
  unmap_list unmapped;
};

FILE* record;
std::mt19937_64 random_bits;
uint64_t versions, sectors_total;
uint64_t ok_count, error_count, lost_count;

int64_t Now() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * kSecond + now.tv_nsec;
}

uint64_t Random(uint64_t below) { return random_bits() % below; }

int64_t VersionOf(const Stamp* stamps, uint64_t sector) {
  const Stamp first = stamps[0];
  const bool blank = first.sector == 0 && first.version == 0;
  if (!blank && first.sector != sector) return -1;
  for (size_t i = 1; i < kStampsPerSector; ++i)
    if (memcmp(&stamps[i], &first, sizeof first) != 0) return -1;
  return static_cast<int64_t>(first.version);
}

void Record(const Operation& operation, int64_t end, const char* result, const scsi_task* task) {
  fprintf(record, "%c %" PRId64 " %" PRId64 " %s %" PRIu64, operation.kind, operation.start, end, result,
          operation.sector);
  if (operation.kind != 'R') {
    fprintf(record, " %" PRIu64 " %" PRIu64, operation.count, operation.version);
  } else if (task != nullptr) {
    std::vector<Stamp> stamps(operation.count * kStampsPerSector);
    memcpy(stamps.data(), task->datain.data, stamps.size() * sizeof(Stamp));
    for (size_t i = 0; i < operation.count;) {
      const int64_t version = VersionOf(&stamps[i * kStampsPerSector], operation.sector + i);
      size_t next = i + 1;
      while (next < operation.count &&
             VersionOf(&stamps[next * kStampsPerSector], operation.sector + next) == version)
        ++next;
      fprintf(record, " %" PRId64 "x%zu", version, next - i);
      i = next;
    }
  }
  fputc('\n', record);
}

class Session {
 public:
  Session(std::string name, const char* url, unsigned depth)
      : name_(std::move(name)), url_(url), depth_(depth) {}

  bool is_up() const { return state_ == State::kUp; }
  bool has_room() const { return is_up() && in_flight_ < depth_; }
  bool is_idle() const { return in_flight_ == 0 && lost_.empty(); }

  pollfd Wants() const {
    if (context_ == nullptr) return {-1, 0, 0};
    return {iscsi_get_fd(context_), static_cast<short>(iscsi_which_events(context_)), 0};
  }

  void Service(short events) {
    if (context_ == nullptr) return;
    if (iscsi_service(context_, events) != 0) Drop();
    if (failed_) Drop();
  }

  void Tick(int64_t now) {
    if (state_ == State::kDown && now >= retry_at_) Connect(now);
    if (state_ == State::kConnecting && now > since_ + kLoginMax) Drop();
    if (state_ != State::kUp) return;
    if (now > heard_ + kSilenceMax) return Drop();
    if (now > std::max(heard_, pinged_) + kPingEvery) {
      pinged_ = now;
      if (iscsi_nop_out_async(context_, OnPing, nullptr, 0, this) != 0) Drop();
    }
  }

  // What was not answered until now never will be.
  void End() {
    if (context_ != nullptr) Drop();
    RecordLost();
  }

  void Start(char kind, uint64_t sector, uint64_t count) {
    auto operation = std::make_unique<Operation>();
    operation->session = this;
    operation->kind = kind;
    operation->sector = sector;
    operation->count = count;
    operation->version = kind == 'W' || kind == 'X' ? ++versions : 0;
    if (operation->version != 0) {
      operation->data.resize(count * kStampsPerSector);
      for (size_t i = 0; i < operation->data.size(); ++i)
        operation->data[i] = {sector + i / kStampsPerSector, operation->version};
    }
    operation->start = Now();
    ++in_flight_;
    Send(operation.release());
  }

 private:
  enum class State { kDown, kConnecting, kUp };

  void Connect(int64_t now) {
    state_ = State::kConnecting;
    since_ = now;
    context_ = iscsi_create_context(name_.c_str());
    iscsi_url* url = iscsi_parse_full_url(context_, url_);
    if (url == nullptr) {
      fprintf(stderr, "recorded_load: %s\n", iscsi_get_error(context_));
      exit(2);
    }
    lun_ = url->lun;
    // The same name and ISID each time: the target ends the session before.
    iscsi_set_isid_en(context_, 0x4242, 1);
    iscsi_set_session_type(context_, ISCSI_SESSION_NORMAL);
    iscsi_set_targetname(context_, url->target);
    iscsi_set_noautoreconnect(context_, 1);
    if (iscsi_full_connect_async(context_, url->portal, lun_, OnConnected, this) != 0) failed_ = true;
    iscsi_destroy_url(url);
    if (failed_) Drop();
  }

  static void OnConnected(iscsi_context*, int status, void*, void* self) {
    auto* session = static_cast<Session*>(self);
    if (session->dropping_) return;
    if (status != 0) {
      session->failed_ = true;
      return;
    }
    session->state_ = State::kUp;
    session->heard_ = session->pinged_ = Now();
    session->RecordLost();
  }

  void RecordLost() {
    for (const auto& operation : lost_) Record(*operation, Now(), "lost", nullptr);
    lost_.clear();
  }

  static void OnPing(iscsi_context*, int, void*, void* self) { static_cast<Session*>(self)->heard_ = Now(); }

  void Send(Operation* operation) {
    scsi_task* task = nullptr;
    const uint32_t bytes = static_cast<uint32_t>(operation->count * kSector);
    switch (operation->kind) {
      case 'R':
        task = iscsi_read16_task(context_, lun_, operation->sector, bytes, kSector, 0, 0, 0, 0, 0, OnAnswer,
                                 operation);
        break;
      case 'W':
      case 'X':
        task = iscsi_write16_task(context_, lun_, operation->sector,
                                  reinterpret_cast<unsigned char*>(operation->data.data()), bytes, kSector, 0,
                                  0, operation->kind == 'X', 0, 0, OnAnswer, operation);
        break;
      case 'U':
        operation->unmapped = {operation->sector, static_cast<uint32_t>(operation->count)};
        task = iscsi_unmap_task(context_, lun_, 0, 0, &operation->unmapped, 1, OnAnswer, operation);
        break;
      case 'F':
        task = iscsi_synchronizecache16_task(context_, lun_, 0, 0, 0, 0, OnAnswer, operation);
        break;
    }
    if (task != nullptr) return;
    Lose(operation);
    failed_ = true;
  }

  static void OnAnswer(iscsi_context*, int status, void* data, void* context) {
    auto* operation = static_cast<Operation*>(context);
    auto* task = static_cast<scsi_task*>(data);
    operation->session->Answered(operation, status, task);
    if (task != nullptr) scsi_free_scsi_task(task);
  }

  void Answered(Operation* operation, int status, scsi_task* task) {
    if (dropping_ || status == SCSI_STATUS_CANCELLED || status == SCSI_STATUS_ERROR || task == nullptr) {
      Lose(operation);
      return;
    }
    heard_ = Now();
    // Normal after another engine has taken the target over, and when the task set is full: nothing was done.
    if (status == SCSI_STATUS_BUSY || status == SCSI_STATUS_TASK_SET_FULL ||
        (status == SCSI_STATUS_CHECK_CONDITION && task->sense.key == SCSI_SENSE_UNIT_ATTENTION)) {
      Send(operation);
      return;
    }
    const bool whole =
        operation->kind != 'R' || static_cast<uint64_t>(task->datain.size) == operation->count * kSector;
    if (status == SCSI_STATUS_GOOD && whole) {
      Record(*operation, heard_, "ok", task);
      ++ok_count;
    } else {
      char result[64];
      snprintf(result, sizeof result, "error/%02x/%x/%04x", status, task->sense.key, task->sense.ascq);
      Record(*operation, heard_, result, nullptr);
      ++error_count;
    }
    --in_flight_;
    delete operation;
  }

  void Lose(Operation* operation) {
    ++lost_count;
    --in_flight_;
    lost_.emplace_back(operation);
  }

  void Drop() {
    dropping_ = true;
    iscsi_destroy_context(context_);
    dropping_ = failed_ = false;
    context_ = nullptr;
    state_ = State::kDown;
    retry_at_ = Now() + kRetryLogin;
  }

  const std::string name_;
  const char* const url_;
  const unsigned depth_;
  iscsi_context* context_ = nullptr;
  State state_ = State::kDown;
  int lun_ = 0;
  unsigned in_flight_ = 0;
  // Set inside of libiscsi's callbacks, where a context cannot be destroyed.
  bool failed_ = false;
  bool dropping_ = false;
  int64_t since_ = 0, retry_at_ = 0, heard_ = 0, pinged_ = 0;
  std::vector<std::unique_ptr<Operation>> lost_;
};

// Mostly single blocks as file systems write them, some parts of blocks, some large ones.
void StartRandom(Session& session) {
  const uint64_t dice = Random(100);
  if (dice < 4) return session.Start('F', 0, 0);
  uint64_t count = 8, sector = Random(sectors_total / 8) * 8;
  const uint64_t shape = Random(100);
  if (shape >= 60) {
    count = shape < 85 ? 1 + Random(16) : shape < 97 ? 64 : 256;
    sector = Random(sectors_total - count + 1);
  }
  session.Start(dice < 50 ? 'W' : dice < 54 ? 'X' : dice < 58 ? 'U' : 'R', sector, count);
}

void OpenRecord(const char* path) {
  if (record != nullptr) fclose(record);
  record = fopen(path, "w");
  if (record != nullptr) return;
  perror(path);
  exit(2);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 9) {
    fprintf(stderr, "usage: recorded_load URL RECORD SEED SECTORS SESSIONS DEPTH RATE NUMBER\n");
    return 2;
  }
  OpenRecord(argv[2]);
  random_bits.seed(strtoull(argv[3], nullptr, 10));
  sectors_total = strtoull(argv[4], nullptr, 10);
  const std::string number = argv[8];
  versions = strtoull(argv[8], nullptr, 10) * kVersionsMax;
  const unsigned depth = atoi(argv[6]);
  const int64_t interval = kSecond / atoi(argv[7]);
  std::vector<std::unique_ptr<Session>> sessions;
  for (int i = 0; i < atoi(argv[5]); ++i)
    sessions.push_back(std::make_unique<Session>(
        "iqn.2014-11.test:recorded-" + number + "-" + std::to_string(i), argv[1], depth));

  enum class Mode { kPaused, kRunning, kPausing, kSweeping, kFlushing } mode = Mode::kPaused;
  uint64_t swept = 0;
  bool flushed = false;
  int64_t next_start = 0, next_report = 0;
  std::string input;
  for (;;) {
    std::vector<pollfd> ready;
    for (const auto& session : sessions) ready.push_back(session->Wants());
    ready.push_back({STDIN_FILENO, POLLIN, 0});
    poll(ready.data(), ready.size(), mode == Mode::kRunning ? 1 : 20);
    for (size_t i = 0; i < sessions.size(); ++i)
      if (ready[i].revents != 0) sessions[i]->Service(ready[i].revents);
    const int64_t now = Now();
    for (const auto& session : sessions) session->Tick(now);

    if (ready.back().revents != 0) {
      char buffer[256];
      const ssize_t length = read(STDIN_FILENO, buffer, sizeof buffer);
      if (length <= 0) break;
      input.append(buffer, length);
      for (size_t end; (end = input.find('\n')) != std::string::npos; input.erase(0, end + 1)) {
        const std::string line = input.substr(0, end);
        if (line == "run") mode = Mode::kRunning, next_start = now;
        if (line == "pause") mode = Mode::kPausing;
        if (line == "sweep") mode = Mode::kSweeping, swept = 0;
        if (line == "flush") mode = Mode::kFlushing, flushed = false;
        if (line.rfind("record ", 0) == 0) OpenRecord(line.c_str() + 7), puts("recording");
      }
    }
    const bool idle =
        std::all_of(sessions.begin(), sessions.end(), [](auto& session) { return session->is_idle(); });
    if (mode == Mode::kRunning) {
      // What could not be started in time is not made up for: the volume was not there.
      next_start = std::max(next_start, now - kSecond / 20);
      for (; next_start <= now; next_start += interval) {
        Session& session = *sessions[Random(sessions.size())];
        if (session.has_room()) StartRandom(session);
      }
    } else if (mode == Mode::kPausing && idle) {
      mode = Mode::kPaused;
      fflush(record);
      puts("paused");
    } else if (mode == Mode::kSweeping) {
      const uint64_t steps = sectors_total / kSweepSectors;
      for (const auto& session : sessions)
        for (; session->has_room() && swept < 2 * steps; ++swept)
          session->Start('R', swept % steps * kSweepSectors, kSweepSectors);
      if (swept == 2 * steps && idle) {
        mode = Mode::kPaused;
        fflush(record);
        puts("swept");
      }
    } else if (mode == Mode::kFlushing) {
      if (flushed && idle) {
        mode = Mode::kPaused;
        puts("flushed");
      } else if (!flushed && sessions.front()->has_room()) {
        sessions.front()->Start('F', 0, 0);
        flushed = true;
      }
    }
    if (now >= next_report) {
      next_report = now + kReportEvery;
      printf("done %" PRIu64 " %" PRIu64 " %" PRIu64 "\n", ok_count, error_count, lost_count);
    }
    fflush(stdout);
  }
  for (const auto& session : sessions) session->End();
  fclose(record);
  return 0;
}
