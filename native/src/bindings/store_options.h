// StoreOptions of native/index.ts, from JavaScript.
#pragma once

#include <napi.h>

#include <string>

#include "store/extent_store.h"

namespace aurochs {

/// Fills `options`. @return empty, or which option is not what it has to be
std::string ReadStoreOptions(Napi::Value value, ExtentStore::Options* options);

/// ChainOptions, likewise.
std::string ReadChainOptions(Napi::Value value, ChainSpec* options);

/// A whole number of 0 to 2^53 - 1.
bool ReadCount(Napi::Value value, uint64_t* count);

}  // namespace aurochs
