// Whether a loop that has nothing to do should poll for a moment before it sleeps.
#pragma once

#include <cstdint>
#include <thread>

#include "base/limits.h"

namespace aurochs {

/// Waking an idle CPU takes longer than most answers. So a loop whose waits are short polls instead, which
/// shortens the waits of those it talks to as well; one whose waits are long sleeps at once, and idles for
/// free. Polling in vain is paid for by many sleeps before the next try. A single CPU never polls: nobody
/// could bring about what is polled for.
class PollRule {
 public:
  explicit PollRule(unsigned cpus = std::thread::hardware_concurrency()) : possible_(cpus > 1) {}

  bool polls() const { return possible_ && short_waits_ >= kShortWaitsBeforePolling; }
  /// It polled for kPollNs in vain.
  void Missed() { short_waits_ = -kSleepsAfterVainPoll; }
  /// A wait of `ns` that was slept through.
  void Slept(int64_t ns) {
    if (short_waits_ < 0 || ns < kShortWaitNs) {
      ++short_waits_;
    } else {
      short_waits_ = 0;
    }
  }

 private:
  bool possible_;
  int short_waits_ = 0;
};

}  // namespace aurochs
