#include "models/cpu/pcpu.h"

#include <algorithm>

namespace xensim::cpu {

namespace {

constexpr std::uint64_t kApicPage = 0xfee00000;

LocalApicConfig apic_config(unsigned index, const CoreConfig& config) {
  LocalApicConfig c;
  c.apic_id = index;
  c.bsp = index == 0;
  c.tsc_hz = config.tsc_hz;
  return c;
}

}  // namespace

Pcpu::Pcpu(unsigned i, const CoreConfig& config, memory::PhysicalMemory& memory, memory::Hierarchy& caches,
           const CpuidPolicy& cpuid, std::vector<std::unique_ptr<Pcpu>>& all, Cycles ipi_latency)
    : index(i),
      apic(apic_config(i, config), *this),
      core(i, config, memory, caches, *this, cpuid),
      all_(all),
      ipi_latency_(ipi_latency) {
  if (i != 0) core.st.activity = Activity::kWaitForSipi;
}

void Pcpu::post(Cycles at, const IpiMessage& message) {
  inbox_.emplace(std::pair{at, posted_++}, message);
  if (waker) waker->wake(index, at);
}

void Pcpu::take_due() {
  while (!inbox_.empty() && inbox_.begin()->first.first <= core.now) {
    const IpiMessage m = inbox_.begin()->second;
    inbox_.erase(inbox_.begin());
    ++ipis_received;
    switch (m.mode) {
      case IpiMessage::Mode::kNmi:
        core.nmi_pending = true;
        break;
      case IpiMessage::Mode::kInit:
        if (m.level_assert) {
          apic.init();
          core.st.activity = Activity::kWaitForSipi;
        }
        break;
      case IpiMessage::Mode::kStartup:
        if (core.st.activity == Activity::kWaitForSipi) {
          core.st.activity = Activity::kActive;
          core.st.rip = 0;
          core.st.seg[kCs].selector = static_cast<std::uint16_t>(m.vector << 8);
          core.st.seg[kCs].base = std::uint64_t{m.vector} << 12;
        }
        break;
      default:
        apic.accept(m.vector, false);
        break;
    }
  }
  if (apic.timer_deadline() <= core.now) apic.timer_expire(core.now);
}

Cycles Pcpu::next_deadline() const {
  return std::min(inbox_.empty() ? kNever : inbox_.begin()->first.first, apic.timer_deadline());
}

void Pcpu::send_ipi(std::uint32_t, const IpiMessage& message) {
  for (auto& target : all_) {
    const bool self = target.get() == this;
    const bool hit = message.shorthand == 1   ? self
                     : message.shorthand == 2 ? true
                     : message.shorthand == 3 ? !self
                                              : target->apic.matches(message);
    if (hit) target->post(core.now + (self ? 0 : ipi_latency_), message);
  }
}

std::uint32_t Pcpu::io_read(std::uint16_t port, unsigned size) {
  if (core.vmx.non_root && software) return software->io_read(*this, port, size);
  return size == 4 ? ~0u : (1u << (8 * size)) - 1;
}
void Pcpu::io_write(std::uint16_t port, unsigned size, std::uint32_t value) {
  if (core.vmx.non_root && software) software->io_write(*this, port, size, value);
}

std::uint64_t Pcpu::mmio_read(PhysAddr a, unsigned size) {
  if (core.vmx.non_root && software) return software->mmio_read(*this, a, size);
  std::uint32_t v = 0;
  if ((a.value & ~kPageMask) == kApicPage &&
      apic.mmio_read(static_cast<std::uint32_t>(a.value & kPageMask), size, core.now, v))
    return v;
  return ~std::uint64_t{0};
}

void Pcpu::mmio_write(PhysAddr a, unsigned size, std::uint64_t value) {
  if (core.vmx.non_root && software) return software->mmio_write(*this, a, size, value);
  if ((a.value & ~kPageMask) == kApicPage)
    apic.mmio_write(static_cast<std::uint32_t>(a.value & kPageMask), size, static_cast<std::uint32_t>(value),
                    core.now);
}

bool Pcpu::apic_msr_read(std::uint32_t msr, std::uint64_t& out) { return apic.msr_read(msr, core.now, out); }
bool Pcpu::apic_msr_write(std::uint32_t msr, std::uint64_t value) { return apic.msr_write(msr, value, core.now); }

}  // namespace xensim::cpu
