// What a replica daemon does with a store's chain, step by step.
#pragma once

#include <string>

#include "store_harness.h"

namespace aurochs {

inline Answer TakeSnapshot(TestStore& store, const std::string& head, uint64_t size = 0) {
  if (size == 0) size = std::filesystem::file_size(head);
  Answer answer = store.PrepareHead(head, size);
  if (answer.status != Status::kOk) return answer;
  answer = store.Hold();
  if (answer.status == Status::kOk) answer = store.Switch();
  store.Resume();
  return answer;
}

}  // namespace aurochs
