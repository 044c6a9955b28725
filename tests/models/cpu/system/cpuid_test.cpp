#include "models/cpu/cpuid.h"

#include <catch2/catch.hpp>

namespace xensim::cpu {
namespace {

bool has_all(std::uint32_t word, std::initializer_list<unsigned> bits) {
  for (unsigned b : bits)
    if (!(word >> b & 1)) return false;
  return true;
}

TEST_CASE("A program that goes by the processor's model number finds the features of that model") {
  const CpuidPolicy p = CpuidPolicy::default_policy(2'400'000'000, 46);
  // Family 6, model 0x5e: what compilers know as skylake.
  CHECK((p.query(1, 0).eax & 0x0fff0ff0) == 0x000506e0);
  // SSE3, PCLMUL, SSSE3, FMA, CX16, SSE4.1, SSE4.2, MOVBE, POPCNT, AES, XSAVE, AVX, F16C, RDRAND
  CHECK(has_all(p.query(1, 0).ecx, {0, 1, 9, 12, 13, 19, 20, 22, 23, 25, 26, 28, 29, 30}));
  // FSGSBASE, BMI1, AVX2, BMI2, RDSEED, ADX, CLFLUSHOPT
  CHECK(has_all(p.query(7, 0).ebx, {0, 3, 5, 8, 18, 19, 23}));
  CHECK(has_all(p.query(0xd, 1).eax, {0, 1, 3}));      // XSAVEOPT, XSAVEC, XSAVES
  CHECK(has_all(p.query(0x80000001, 0).ecx, {0, 5}));  // LAHF, LZCNT
  // Models that stand for AVX-512 would be taken at their word.
  CHECK_FALSE(has_all(p.query(7, 0).ebx, {16}));
}

}  // namespace
}  // namespace xensim::cpu
