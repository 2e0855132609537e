// An iSCSI LUN through libiscsi.
#pragma once

#include <memory>
#include <string>

#include "device.h"
#include "options.h"

namespace aurochs {

/// Logs in and reads the capacity.
/// @return none with `error` set when that fails
std::unique_ptr<Device> OpenIscsiDevice(const Options& options, std::string* error);

}  // namespace aurochs
