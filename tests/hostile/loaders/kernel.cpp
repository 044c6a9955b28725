// Any bytes as a kernel's file: gzip, bzImage with whatever payload, or ELF.
#include "models/xen/domain/kernel_image.h"

#include "models/xen/domain/elf.h"
#include "sim/base/error.h"
#include "tests/hostile/loaders/target.h"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace xensim::xen;
  try {
    const Bytes image =
        unpack_kernel("input", std::make_shared<const std::vector<std::uint8_t>>(data, data + size));
    read_elf("input", *image);
  } catch (const xensim::UserError&) {
  }
  return 0;
}
