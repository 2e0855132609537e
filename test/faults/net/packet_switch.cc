// The network between the rig's hosts: forwards Ethernet frames between the interfaces to-NAME of its own
// network namespace, and does to them what it is told. It needs nothing of the kernel but veth and packet
// sockets, and knows each direction of each pair of hosts by itself.
//
//   usage: packet_switch NAME...       the n-th host (from 1) has the MAC address 02:00:00:00:00:n
//
// Each line of standard input is one rule: FROM TO DROP DELAY_MS JITTER_MS DUPLICATE, with DROP and DUPLICATE
// in per cent. Jitter reorders. The answer is "ok" and how many frames the rule before it has lost, and how
// many it has delayed or duplicated. What is called a frame here may be one of up to 64 KiB that the sender's
// kernel has not cut yet.

#include <arpa/inet.h>
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <random>
#include <string>
#include <utility>
#include <vector>

namespace {

// bytes of a virtio_net_hdr; its header file is no C++
constexpr size_t kVirtioHeader = 10;
// bytes: a whole TCP segment before it is cut, its headers and the virtio header
constexpr size_t kFrameMax = (64 << 10) + 256;
// frames that are under way; what comes then is lost, as in any switch
constexpr size_t kDelayedMax = 20'000;
// frames read from one host before the others' turn
constexpr int kBurst = 64;

struct Rule {
  double drop_percent = 0;
  double delay_ms = 0;
  double jitter_ms = 0;
  double duplicate_percent = 0;
  // what came of it, frames
  unsigned long long lost = 0;
  unsigned long long changed = 0;
};

struct Delayed {
  size_t to;
  std::string frame;
};

std::vector<std::string> names;
std::vector<int> sockets;
std::vector<std::vector<Rule>> rules;  // from, to
std::multimap<double, Delayed> delayed;
std::mt19937_64 random_bits;

double NowMs() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return now.tv_sec * 1e3 + now.tv_nsec / 1e6;
}

double Random(double below) { return std::uniform_real_distribution<double>(0, below)(random_bits); }

int OpenInterface(const std::string& name) {
  const int fd = socket(AF_PACKET, SOCK_RAW | SOCK_NONBLOCK | SOCK_CLOEXEC, htons(ETH_P_ALL));
  if (fd < 0) return -1;
  const int on = 1;
  // Frames whose checksum or segmentation is left to the interface are passed on as such.
  if (setsockopt(fd, SOL_PACKET, PACKET_VNET_HDR, &on, sizeof on) != 0 ||
      setsockopt(fd, SOL_PACKET, PACKET_IGNORE_OUTGOING, &on, sizeof on) != 0)
    return -1;
  sockaddr_ll address = {};
  address.sll_family = AF_PACKET;
  address.sll_protocol = htons(ETH_P_ALL);
  address.sll_ifindex = static_cast<int>(if_nametoindex(("to-" + name).c_str()));
  if (address.sll_ifindex == 0) return -1;
  return bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0 ? fd : -1;
}

void Deliver(size_t to, const char* frame, size_t length) {
  // A full queue or an interface that is down loses the frame.
  (void)!send(sockets[to], frame, length, MSG_DONTWAIT);
}

void Forward(size_t from, size_t to, const char* frame, size_t length) {
  Rule& rule = rules[from][to];
  const int copies = Random(100) < rule.duplicate_percent ? 2 : 1;
  for (int copy = 0; copy < copies; ++copy) {
    if (Random(100) < rule.drop_percent) {
      ++rule.lost;
      continue;
    }
    rule.changed += copy > 0;
    const double delay = rule.delay_ms + (rule.jitter_ms > 0 ? Random(rule.jitter_ms) : 0);
    if (delay <= 0) {
      Deliver(to, frame, length);
    } else if (delayed.size() < kDelayedMax) {
      ++rule.changed;
      delayed.emplace(NowMs() + delay, Delayed{to, std::string(frame, length)});
    }
  }
}

void ReadFrom(size_t from) {
  static char frame[kFrameMax];
  for (int count = 0; count < kBurst; ++count) {
    const ssize_t length = recv(sockets[from], frame, sizeof frame, MSG_DONTWAIT);
    if (length < 0) return;
    if (static_cast<size_t>(length) < kVirtioHeader + ETH_HLEN) continue;
    const auto* mac = reinterpret_cast<const uint8_t*>(frame + kVirtioHeader);
    const bool everybody = (mac[0] & 1) != 0;
    for (size_t to = 0; to < sockets.size(); ++to)
      if (to != from && (everybody || mac[5] == to + 1)) Forward(from, to, frame, length);
  }
}

void DeliverDue() {
  const double now = NowMs();
  while (!delayed.empty() && delayed.begin()->first <= now) {
    const Delayed& next = delayed.begin()->second;
    Deliver(next.to, next.frame.data(), next.frame.size());
    delayed.erase(delayed.begin());
  }
}

size_t IndexOf(const char* name) {
  return static_cast<size_t>(std::find(names.begin(), names.end(), name) - names.begin());
}

// false: there will be no more
bool ReadRules() {
  static std::string input;
  char buffer[4096];
  const ssize_t length = read(STDIN_FILENO, buffer, sizeof buffer);
  if (length <= 0) return false;
  input.append(buffer, length);
  for (size_t end; (end = input.find('\n')) != std::string::npos; input.erase(0, end + 1)) {
    char from[32], to[32];
    Rule rule;
    const int fields = sscanf(input.substr(0, end).c_str(), "%31s %31s %lf %lf %lf %lf", from, to,
                              &rule.drop_percent, &rule.delay_ms, &rule.jitter_ms, &rule.duplicate_percent);
    const bool good = fields == 6 && IndexOf(from) < names.size() && IndexOf(to) < names.size();
    if (good) {
      std::swap(rules[IndexOf(from)][IndexOf(to)], rule);
      printf("ok %llu %llu\n", rule.lost, rule.changed);
    } else {
      puts("error: FROM TO DROP DELAY_MS JITTER_MS DUPLICATE");
    }
    fflush(stdout);
  }
  return true;
}

}  // namespace

int main(int argc, char** argv) {
  for (int i = 1; i < argc; ++i) {
    names.emplace_back(argv[i]);
    sockets.push_back(OpenInterface(argv[i]));
    if (sockets.back() < 0) {
      fprintf(stderr, "packet_switch: to-%s: %s\n", argv[i], strerror(errno));
      return 1;
    }
  }
  rules.assign(names.size(), std::vector<Rule>(names.size()));
  std::vector<pollfd> ready;
  for (const int fd : sockets) ready.push_back({fd, POLLIN, 0});
  ready.push_back({STDIN_FILENO, POLLIN, 0});
  puts("ok 0 0");
  fflush(stdout);
  for (;;) {
    timespec wait = {};
    if (!delayed.empty()) {
      const double ms = std::max(0.0, delayed.begin()->first - NowMs());
      wait = {static_cast<time_t>(ms / 1e3),
              static_cast<long>(static_cast<int64_t>(ms * 1e6) % 1'000'000'000)};
    }
    if (ppoll(ready.data(), ready.size(), delayed.empty() ? nullptr : &wait, nullptr) < 0 && errno != EINTR)
      return 1;
    DeliverDue();
    for (size_t i = 0; i < sockets.size(); ++i)
      if (ready[i].revents != 0) ReadFrom(i);
    if (ready.back().revents != 0 && !ReadRules()) return 0;
  }
}
