// A file or block device through Linux's asynchronous I/O (io_submit).
#pragma once

#include <memory>
#include <string>

#include "device.h"
#include "options.h"

namespace aurochs {

/// Opens options.file, which has to exist; a block device that is mounted or otherwise claimed is refused.
/// @return none with `error` set when that fails
std::unique_ptr<Device> OpenFileDevice(const Options& options, std::string* error);

}  // namespace aurochs
