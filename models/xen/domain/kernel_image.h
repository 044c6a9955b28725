// What xl.cfg's `kernel` and `ramdisk` name, unpacked as Xen 4.17's domain builder (libxenguest) does: an ELF
// image, plain or gzipped, or a Linux bzImage (boot protocol 2.08 or later) with an ELF image in any compression
// that Linux knows; and a ramdisk, gunzipped if it is gzip, else as it is.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace xensim::xen {

using Bytes = std::shared_ptr<const std::vector<std::uint8_t>>;

// The ELF image in a kernel file, or the file itself if it is neither packed nor a bzImage. name: the file, for
// messages. Throws UserError.
Bytes unpack_kernel(const std::string& name, const Bytes& file);
Bytes unpack_ramdisk(const std::string& name, const Bytes& file);

}  // namespace xensim::xen
