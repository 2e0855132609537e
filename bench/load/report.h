// The outcome as JSON or text.
#pragma once

#include <string>

#include "options.h"
#include "runner.h"

namespace aurochs {

/// One line, one object: the format that bench/load.ts reads.
std::string ReportJson(const Options& options, const Result& result);

std::string ReportText(const Options& options, const Result& result);

}  // namespace aurochs
