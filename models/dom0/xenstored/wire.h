// The message format, from Xen's public headers (which expect these types and errno values to be there).
#pragma once

#include <cerrno>
#include <cstdint>
using std::uint32_t;

#include <xen/io/xs_wire.h>
