// FXSAVE and FXRSTOR (SDM 2; SDM 1, 10.5). They take no notice of pending x87 exceptions, and save XMM state
// whether CR4.OSFXSR is set or not, as the manual allows. Bytes of the image past the last XMM register are not
// written.
#include "models/cpu/isa/fxsave.h"

#include <array>
#include <cstring>

#include "models/cpu/isa/x87_parts.h"
#include "models/cpu/isa/x87_state.h"

namespace xensim::cpu::isa {

namespace {

template <class T>
void put(std::uint8_t* image, unsigned offset, T v) {
  std::memcpy(image + offset, &v, sizeof(T));
}
template <class T>
T get(const std::uint8_t* image, unsigned offset) {
  T v;
  std::memcpy(&v, image + offset, sizeof(T));
  return v;
}

}  // namespace

void store_fxsave_image(const ArchState& st, bool wide, unsigned registers, std::uint8_t* image) {
  const X87& x = st.x87;
  std::memset(image, 0, kImageXmm);
  put(image, 0, x.control);
  put(image, 2, x.status);
  put(image, 4, x.tag_valid);
  put(image, 6, x.opcode);
  if (wide) {
    put(image, 8, x.instruction_pointer);
    put(image, 16, x.data_pointer);
  } else {
    put(image, 8, static_cast<std::uint32_t>(x.instruction_pointer));
    put(image, 16, static_cast<std::uint32_t>(x.data_pointer));
  }
  put(image, kImageMxcsr, st.mxcsr);
  put(image, kImageMxcsr + 4, kMxcsrMask);
  for (unsigned i = 0; i < 8; ++i) {
    const X87::Register& r = x.r[(x87::top(x) + i) & 7];
    put(image, kImageStack + 16 * i, r.significand);
    put(image, kImageStack + 16 * i + 8, r.sign_exponent);
  }
  for (unsigned i = 0; i < registers; ++i) std::memcpy(image + kImageXmm + 16 * i, st.xmm[i].q.data(), 16);
}

std::uint32_t mxcsr_of_image(const std::uint8_t* image) { return get<std::uint32_t>(image, kImageMxcsr); }

void load_x87_image(ArchState& st, bool wide, const std::uint8_t* image) {
  X87& x = st.x87;
  x.control = x87::control_value(get<std::uint16_t>(image, 0));
  x.status = get<std::uint16_t>(image, 2);
  x.tag_valid = get<std::uint8_t>(image, 4);
  x.opcode = get<std::uint16_t>(image, 6) & 0x7ff;
  x.instruction_pointer = wide ? get<std::uint64_t>(image, 8) : get<std::uint32_t>(image, 8);
  x.data_pointer = wide ? get<std::uint64_t>(image, 16) : get<std::uint32_t>(image, 16);
  x87::update_summary(x);
  for (unsigned i = 0; i < 8; ++i) {
    X87::Register& r = x.r[(x87::top(x) + i) & 7];
    r.significand = get<std::uint64_t>(image, kImageStack + 16 * i);
    r.sign_exponent = get<std::uint16_t>(image, kImageStack + 16 * i + 8);
  }
}

void load_xmm_image(ArchState& st, unsigned registers, const std::uint8_t* image) {
  for (unsigned i = 0; i < registers; ++i) std::memcpy(st.xmm[i].q.data(), image + kImageXmm + 16 * i, 16);
}

bool load_fxsave_image(ArchState& st, bool wide, unsigned registers, const std::uint8_t* image) {
  const std::uint32_t mxcsr = mxcsr_of_image(image);
  if (mxcsr & ~kMxcsrMask) return false;
  st.mxcsr = mxcsr;
  load_x87_image(st, wide, image);
  load_xmm_image(st, registers, image);
  return true;
}

namespace {

// sub: the number of XMM registers.
template <bool kWide>
Outcome fxsave(Core& c, const Op& op) {
  if (Outcome o = x87::check<false>(c); o != Outcome::kNext) return o;
  std::uint64_t a;
  if (!c.linear_address(op, kFxsaveBytes, true, a)) return Outcome::kFault;
  if (a & 15) return c.raise_gp();
  std::array<std::uint8_t, kFxsaveBytes> image;
  store_fxsave_image(c.st, kWide, op.sub, image.data());
  return x87::write_block(c, a, image.data(), kImageXmm + 16u * op.sub);
}

template <bool kWide>
Outcome fxrstor(Core& c, const Op& op) {
  if (Outcome o = x87::check<false>(c); o != Outcome::kNext) return o;
  std::uint64_t a;
  if (!c.linear_address(op, kFxsaveBytes, false, a)) return Outcome::kFault;
  if (a & 15) return c.raise_gp();
  std::array<std::uint8_t, kFxsaveBytes> image;
  if (Outcome o = x87::read_block(c, a, image.data(), kFxsaveBytes); failed(o)) return o;
  if (!load_fxsave_image(c.st, kWide, op.sub, image.data())) return c.raise_gp();
  return Outcome::kNext;
}

template <Handler kHandler>
Handler bind(const DecodedInstruction& d, Op& op) {
  op.sub = d.mode & kMode64 ? 16 : 8;
  return kHandler;
}

#define ROW(name, handler) Form(ZYDIS_MNEMONIC_##name, CostClass::kXsave, BlockShape::kStraight, bind<handler>)

constexpr Form kForms[] = {
    ROW(FXSAVE, fxsave<false>),
    ROW(FXSAVE64, fxsave<true>),
    ROW(FXRSTOR, fxrstor<false>),
    ROW(FXRSTOR64, fxrstor<true>),
};

}  // namespace

std::span<const Form> fxsave_forms() { return kForms; }

}  // namespace xensim::cpu::isa
