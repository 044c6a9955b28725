// Each compression by itself: the first byte chooses it, two more say in 16 bytes how much has to come out.
#include "models/xen/domain/decompress.h"
#include "sim/base/error.h"
#include "tests/hostile/loaders/target.h"

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using xensim::xen::Compression;
  constexpr unsigned kCompressions = static_cast<unsigned>(Compression::kZstd) + 1;
  if (size < 3) return 0;
  const std::uint64_t wanted = (data[1] | data[2] << 8) * 16u;
  try {
    const auto out = xensim::xen::decompress(static_cast<Compression>(data[0] % kCompressions), "input",
                                             {data + 3, size - 3}, wanted);
    if (out.size() != wanted) __builtin_trap();
  } catch (const xensim::UserError&) {
  }
  return 0;
}
