#include "models/xen/domain/aml.h"

#include "sim/base/expects.h"

namespace xensim::xen::aml {

namespace {

constexpr std::uint8_t kZero = 0x00, kOne = 0x01, kName = 0x08, kBytePrefix = 0x0a, kWordPrefix = 0x0b,
                       kDwordPrefix = 0x0c, kStringPrefix = 0x0d, kQwordPrefix = 0x0e, kScope = 0x10,
                       kBuffer = 0x11, kMethod = 0x14, kExtended = 0x5b, kLocal0 = 0x60, kArg0 = 0x68,
                       kStore = 0x70, kAdd = 0x72, kSubtract = 0x74, kShiftRight = 0x7a, kAnd = 0x7b,
                       kDerefOf = 0x83, kNotify = 0x86, kIndex = 0x88, kNot = 0x92, kEqual = 0x93, kLess = 0x95,
                       kToBuffer = 0x96, kIf = 0xa0, kElse = 0xa1, kReturn = 0xa4;
constexpr std::uint8_t kSleep = 0x22, kRegion = 0x80, kField = 0x81, kProcessor = 0x83;  // after kExtended
constexpr std::uint8_t kByteAccess = 1;

Term byte(std::uint64_t v) { return Term(1, static_cast<char>(v)); }

Term little_endian(std::uint64_t v, unsigned n) {
  Term out;
  for (unsigned i = 0; i < n; ++i) out += byte(v >> (8 * i) & 0xff);
  return out;
}

// PkgLength as a number: the lead byte holds how many bytes follow, and the low bits.
Term package_number(std::size_t v) {
  if (v < 0x40) return byte(v);
  unsigned follow = 1;
  while (v >> (4 + 8 * follow) != 0) ++follow;
  expects(follow <= 3);
  return byte(follow << 6 | (v & 0xf)) + little_endian(v >> 4, follow);
}

// PkgLength counts itself.
Term package(const Term& body) {
  std::size_t own = 1;
  while (package_number(body.size() + own).size() > own) ++own;
  return package_number(body.size() + own) + body;
}

Term segment(std::string_view name) {
  expects(name.size() == 4);
  return Term(name);
}

}  // namespace

Term integer(std::uint64_t v) {
  if (v == 0) return byte(kZero);
  if (v == 1) return byte(kOne);
  if (v <= 0xff) return byte(kBytePrefix) + byte(v);
  if (v <= 0xffff) return byte(kWordPrefix) + little_endian(v, 2);
  if (v <= 0xffffffff) return byte(kDwordPrefix) + little_endian(v, 4);
  return byte(kQwordPrefix) + little_endian(v, 8);
}

Term string(std::string_view text) { return byte(kStringPrefix) + Term(text) + byte(0); }
Term bytes(std::string_view content) { return byte(kBuffer) + package(integer(content.size()) + Term(content)); }
Term name(std::string_view n, const Term& value) { return byte(kName) + segment(n) + value; }
Term scope(std::string_view n, const Term& body) { return byte(kScope) + package(segment(n) + body); }
Term method(std::string_view n, unsigned arguments, const Term& body) {
  return byte(kMethod) + package(segment(n) + byte(arguments) + body);
}
Term processor(std::string_view n, unsigned id, std::uint32_t pblk, unsigned pblk_length, const Term& body) {
  return byte(kExtended) + byte(kProcessor) +
         package(segment(n) + byte(id) + little_endian(pblk, 4) + byte(pblk_length) + body);
}
Term operation_region(std::string_view n, Space space, const Term& offset, const Term& length) {
  return byte(kExtended) + byte(kRegion) + segment(n) + byte(static_cast<std::uint8_t>(space)) + offset + length;
}
Term field(std::string_view region, const std::vector<FieldElement>& elements) {
  Term body = segment(region) + byte(kByteAccess);
  for (const FieldElement& e : elements)
    body += (e.name.empty() ? byte(0) : segment(e.name)) + package_number(e.bits);
  return byte(kExtended) + byte(kField) + package(body);
}

Term argument(unsigned i) { return byte(kArg0 + i); }
Term local(unsigned i) { return byte(kLocal0 + i); }
Term parent(const Term& p) { return "^" + p; }
Term path(std::string_view a, std::string_view b) { return "." + segment(a) + segment(b); }
Term root_path(std::string_view a, std::string_view b) { return "\\" + path(a, b); }

Term store(const Term& value, const Term& target) { return byte(kStore) + value + target; }
Term add(const Term& a, const Term& b, const Term& target) { return byte(kAdd) + a + b + target; }
Term subtract(const Term& a, const Term& b, const Term& target) { return byte(kSubtract) + a + b + target; }
Term bit_and(const Term& a, const Term& b, const Term& target) { return byte(kAnd) + a + b + target; }
Term shift_right(const Term& a, const Term& by, const Term& target) { return byte(kShiftRight) + a + by + target; }
Term to_buffer(const Term& value) { return byte(kToBuffer) + value + byte(kZero); }
Term deref_of(const Term& reference) { return byte(kDerefOf) + reference; }
Term index(const Term& buffer, const Term& at) { return byte(kIndex) + buffer + at + byte(kZero); }
Term less(const Term& a, const Term& b) { return byte(kLess) + a + b; }
Term equal(const Term& a, const Term& b) { return byte(kEqual) + a + b; }
Term not_equal(const Term& a, const Term& b) { return byte(kNot) + equal(a, b); }
Term notify(const Term& object, const Term& value) { return byte(kNotify) + object + value; }
Term sleep(const Term& ms) { return byte(kExtended) + byte(kSleep) + ms; }
Term give_back(const Term& value) { return byte(kReturn) + value; }
Term when(const Term& predicate, const Term& body) { return byte(kIf) + package(predicate + body); }
Term otherwise(const Term& body) { return byte(kElse) + package(body); }

}  // namespace xensim::xen::aml
