// An iSCSI initiator that does what it is told on standard input, one line at a time, and answers each with
// one line:
//   write OFFSET LENGTH VERSION [fua]  ->  ok
//   unmap OFFSET LENGTH                ->  ok
//   zero OFFSET LENGTH                 ->  ok                        WRITE SAME of zeros, with UNMAP
//   flush                              ->  ok
//   hash OFFSET LENGTH                 ->  ok H H ...                one number for every 4096 bytes
//   read OFFSET LENGTH                 ->  ok VERSIONxSECTORS ...   (torn: a sector that holds no one stamp)
// or "error WHY". Every sector of 512 bytes is written as a stamp, (sector number, version), repeated; what
// was never written is version 0.
//
// usage: iscsi_io INITIATOR_NAME URL

#include <inttypes.h>
#include <iscsi/iscsi.h>
#include <iscsi/scsi-lowlevel.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

namespace {

constexpr uint64_t kSector = 512;
constexpr uint64_t kLengthMax = 1 << 20;
constexpr int kHashedBytes = 4096;

struct Stamp {
  uint64_t sector;
  uint64_t version;
};
constexpr size_t kStampsPerSector = kSector / sizeof(Stamp);

struct FreeTask {
  void operator()(scsi_task* task) const { scsi_free_scsi_task(task); }
};
using Task = std::unique_ptr<scsi_task, FreeTask>;

bool IsGood(const Task& task) { return task != nullptr && task->status == SCSI_STATUS_GOOD; }

std::vector<Stamp> MakeStamps(uint64_t offset, uint64_t length, uint64_t version) {
  std::vector<Stamp> stamps(length / sizeof(Stamp));
  for (size_t i = 0; i < stamps.size(); ++i) stamps[i] = {offset / kSector + i / kStampsPerSector, version};
  return stamps;
}

// The version that a sector holds, -1 when it is not one whole stamp of this sector.
int64_t VersionOf(const Stamp* stamps, uint64_t sector) {
  const Stamp first = stamps[0];
  const bool blank = first.sector == 0 && first.version == 0;
  if (!blank && first.sector != sector) return -1;
  for (size_t i = 1; i < kStampsPerSector; ++i)
    if (memcmp(&stamps[i], &first, sizeof first) != 0) return -1;
  return static_cast<int64_t>(first.version);
}

std::string Describe(const Task& task, uint64_t offset) {
  std::string text;
  std::vector<Stamp> stamps(task->datain.size / sizeof(Stamp));
  memcpy(stamps.data(), task->datain.data, stamps.size() * sizeof(Stamp));
  const size_t sectors = stamps.size() / kStampsPerSector;
  for (size_t i = 0; i < sectors;) {
    const int64_t version = VersionOf(&stamps[i * kStampsPerSector], offset / kSector + i);
    size_t end = i + 1;
    while (end < sectors && VersionOf(&stamps[end * kStampsPerSector], offset / kSector + end) == version)
      ++end;
    text += (version < 0 ? " torn" : " " + std::to_string(version)) + "x" + std::to_string(end - i);
    i = end;
  }
  return text;
}

// Sees every difference that a test may meet by accident (FNV-1a).
std::string Hashes(const Task& task) {
  std::string text;
  for (int at = 0; at < task->datain.size;) {
    uint64_t hash = 0xcbf29ce484222325;
    for (const int end = std::min(at + kHashedBytes, task->datain.size); at < end; ++at)
      hash = (hash ^ task->datain.data[at]) * 0x100000001b3;
    text += " " + std::to_string(hash);
  }
  return text;
}

}  // namespace

// Until there is a line to read. A target asks whoever is silent whether it is alive.
void WaitForLine(iscsi_context* iscsi, bool reconnects) {
  for (bool connected = true;;) {
    pollfd ready[2] = {
        {STDIN_FILENO, POLLIN, 0},
        {connected ? iscsi_get_fd(iscsi) : -1, static_cast<short>(iscsi_which_events(iscsi)), 0}};
    // Attempts to reconnect are made by iscsi_service.
    if (poll(ready, 2, reconnects ? 100 : -1) < 0) continue;
    if (ready[0].revents != 0) return;
    // What has become of the connection is told by the next command.
    if (iscsi_service(iscsi, ready[1].revents) != 0 && !reconnects) connected = false;
  }
}

int main(int argc, char** argv) {
  const bool reconnects = argc == 4 && strcmp(argv[3], "reconnect") == 0;
  if (argc != 3 && !reconnects) {
    fprintf(stderr, "usage: iscsi_io INITIATOR_NAME URL [reconnect]\n");
    return 2;
  }
  iscsi_context* iscsi = iscsi_create_context(argv[1]);
  iscsi_url* url = iscsi_parse_full_url(iscsi, argv[2]);
  if (url == nullptr) {
    fprintf(stderr, "iscsi_io: %s\n", iscsi_get_error(iscsi));
    return 2;
  }
  iscsi_set_session_type(iscsi, ISCSI_SESSION_NORMAL);
  iscsi_set_targetname(iscsi, url->target);
  // As the kernel's initiator does: what was not answered is sent again.
  iscsi_set_noautoreconnect(iscsi, reconnects ? 0 : 1);
  if (iscsi_full_connect_sync(iscsi, url->portal, url->lun) != 0) {
    fprintf(stderr, "iscsi_io: %s\n", iscsi_get_error(iscsi));
    return 1;
  }
  puts("ok");
  fflush(stdout);

  char line[256], verb[16], flag[16];
  for (;;) {
    WaitForLine(iscsi, reconnects);
    if (fgets(line, sizeof line, stdin) == nullptr) break;
    uint64_t offset = 0, length = 0, version = 0;
    flag[0] = 0;
    const int fields =
        sscanf(line, "%15s %" SCNu64 " %" SCNu64 " %" SCNu64 " %15s", verb, &offset, &length, &version, flag);
    if (fields >= 3 &&
        (offset % kSector != 0 || length % kSector != 0 || length == 0 || length > kLengthMax)) {
      puts("error bad range");
    } else if (fields >= 4 && strcmp(verb, "write") == 0) {
      std::vector<Stamp> data = MakeStamps(offset, length, version);
      const Task task(iscsi_write16_sync(iscsi, url->lun, offset / kSector,
                                         reinterpret_cast<unsigned char*>(data.data()), length, kSector, 0, 0,
                                         strcmp(flag, "fua") == 0, 0, 0));
      printf(IsGood(task) ? "ok\n" : "error %s\n", iscsi_get_error(iscsi));
    } else if (fields >= 3 && strcmp(verb, "unmap") == 0) {
      unmap_list list = {offset / kSector, static_cast<uint32_t>(length / kSector)};
      const Task task(iscsi_unmap_sync(iscsi, url->lun, 0, 0, &list, 1));
      printf(IsGood(task) ? "ok\n" : "error %s\n", iscsi_get_error(iscsi));
    } else if (fields >= 3 && strcmp(verb, "zero") == 0) {
      unsigned char zeros[kSector] = {};
      const Task task(iscsi_writesame16_sync(iscsi, url->lun, offset / kSector, zeros, kSector,
                                             length / kSector, 0, 1, 0, 0));
      printf(IsGood(task) ? "ok\n" : "error %s\n", iscsi_get_error(iscsi));
    } else if (fields >= 1 && strcmp(verb, "flush") == 0) {
      const Task task(iscsi_synchronizecache16_sync(iscsi, url->lun, 0, 0, 0, 0));
      printf(IsGood(task) ? "ok\n" : "error %s\n", iscsi_get_error(iscsi));
    } else if (fields >= 3 && (strcmp(verb, "read") == 0 || strcmp(verb, "hash") == 0)) {
      const Task task(iscsi_read16_sync(iscsi, url->lun, offset / kSector, length, kSector, 0, 0, 0, 0, 0));
      if (IsGood(task) && static_cast<uint64_t>(task->datain.size) == length) {
        printf("ok%s\n", (verb[0] == 'h' ? Hashes(task) : Describe(task, offset)).c_str());
      } else {
        printf("error %s\n", iscsi_get_error(iscsi));
      }
    } else {
      puts("error bad line");
    }
    fflush(stdout);
  }
  iscsi_logout_sync(iscsi);
  iscsi_destroy_url(url);
  iscsi_destroy_context(iscsi);
  return 0;
}
