// What a core needs around it where only its instructions count: no devices, no interrupts, no caches.
#pragma once

#include "models/memory/physical_memory.h"
#include "tests/models/cpu/no_caches.h"
#include "tests/models/cpu/no_devices.h"

namespace xensim::differential {

using NoDevices = cpu::test::NoDevices;
using NoCaches = cpu::test::NoCaches;

}  // namespace xensim::differential
