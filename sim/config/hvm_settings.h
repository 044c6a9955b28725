// Settings of domain files that only HVM guests have.
#pragma once

#include "sim/config/domain_config.h"
#include "sim/config/settings_reader.h"

namespace xensim::config {

// Firmware, memory of the video card, timers, Viridian enlightenments.
void read_hvm(SettingsReader& r, const XlFile& file, DomainConfig& d);

}  // namespace xensim::config
