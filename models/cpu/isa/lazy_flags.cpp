// Lazy status flags: the two directions between the three words and RFLAGS, and conditions known only at run time.
#include "models/cpu/isa/lazy_flags.h"

namespace xensim::cpu::isa {

std::uint64_t LazyFlags::materialise() const {
  return (cf() ? kCf : 0) | (pf() ? kPf : 0) | (af() ? kAf : 0) | (zf() ? kZf : 0) | (sf() ? kSf : 0) |
         (of() ? kOf : 0);
}

void LazyFlags::load(std::uint64_t rflags) {
  const bool z = rflags & kZf, p = rflags & kPf;
  // A result of 0 has even parity and one of 1 odd parity; both are positive.
  result = z ? 0 : 1;
  carries = pack(rflags & kCf, rflags & kOf);
  aux = (rflags & kSf ? std::uint64_t{1} << 63 : 0) | (z != p ? std::uint64_t{1} << 8 : 0) | (rflags & kAf);
}

bool test_condition(const LazyFlags& f, unsigned cc) {
  bool holds = false;
  switch ((cc >> 1) & 7) {
    case 0:
      holds = f.of();
      break;
    case 1:
      holds = f.cf();
      break;
    case 2:
      holds = f.zf();
      break;
    case 3:
      holds = f.cf() || f.zf();
      break;
    case 4:
      holds = f.sf();
      break;
    case 5:
      holds = f.pf();
      break;
    case 6:
      holds = f.less();
      break;
    default:
      holds = f.less() || f.zf();
      break;
  }
  return holds != ((cc & 1) != 0);
}

}  // namespace xensim::cpu::isa
