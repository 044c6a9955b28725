// Any bytes as a ramdisk.
#include "models/xen/domain/kernel_image.h"
#include "sim/base/error.h"
#include "tests/hostile/loaders/target.h"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace xensim::xen;
  try {
    unpack_ramdisk("input", std::make_shared<const std::vector<std::uint8_t>>(data, data + size));
  } catch (const xensim::UserError&) {
  }
  return 0;
}
