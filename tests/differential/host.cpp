// The host side of the differential tests: a thunk that loads a whole register state, runs one instruction and
// stores the state again. Its code, its context and the data area lie at fixed addresses below 2 GiB, so that
// every load and store of the thunk can name an absolute address and needs no register.
#include <signal.h>
#include <sys/mman.h>
#include <ucontext.h>

#include <algorithm>
#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "tests/differential/harness.h"

namespace xensim::differential {
namespace {

constexpr std::uint64_t kThunk = kSlot - 0x1000;
constexpr std::uint64_t kContext = 0x18000000;
constexpr std::uint64_t kScratchStack = kContext + 0x4000 - 64;

struct alignas(16) FxImage {
  std::uint16_t control, status;
  std::uint8_t tag, reserved0;
  std::uint16_t opcode;
  std::uint64_t ip, dp;
  std::uint32_t mxcsr, mxcsr_mask;
  struct {
    std::uint64_t significand;
    std::uint16_t sign_exponent;
    std::uint8_t reserved[6];
  } st[8];
  std::uint64_t xmm[16][2];
  std::uint8_t rest[96];
};
static_assert(sizeof(FxImage) == 512);

// An XSAVE area in the standard form, of x87, SSE and AVX; all that FXSAVE has is in the first 512 bytes.
struct alignas(64) XsaveImage {
  FxImage fx;
  std::uint64_t components, format, reserved[6];
  std::uint64_t ymm_high[16][2];
};
static_assert(sizeof(XsaveImage) == 832);
constexpr std::uint64_t kComponents = 7;

enum : std::uint64_t { kPathNext, kPathTaken, kPathException };

struct Context {
  std::uint64_t gpr_in[16], flags_in, host_rsp;
  std::uint64_t gpr_out[16], flags_out, path;
  std::uint64_t trap, error, cr2;
  XsaveImage in, out, host;
};
Context& context() { return *reinterpret_cast<Context*>(kContext); }
constexpr std::uint32_t at(std::size_t offset) { return static_cast<std::uint32_t>(kContext + offset); }

class Assembler {
 public:
  explicit Assembler(std::uint64_t where) : p_(reinterpret_cast<std::uint8_t*>(where)) {}
  void bytes(std::initializer_list<unsigned> b) {
    for (unsigned x : b) *p_++ = static_cast<std::uint8_t>(x);
  }
  void word32(std::uint64_t v) {
    const auto x = static_cast<std::uint32_t>(v);
    std::memcpy(p_, &x, 4);
    p_ += 4;
  }
  // opcode bytes, then [absolute] with the given reg field
  void absolute(std::initializer_list<unsigned> opcode, unsigned reg, std::uint32_t address) {
    bytes(opcode);
    bytes({0x04 | (reg & 7) << 3, 0x25});
    word32(address);
  }
  void jump(std::uint64_t target) {
    bytes({0xe9});
    word32(target - (where() + 4));
  }
  std::uint64_t where() const { return reinterpret_cast<std::uint64_t>(p_); }

 private:
  std::uint8_t* p_;
};

std::uint64_t store_code = 0, restore_code = 0;

void on_signal(int, siginfo_t* info, void* raw) {
  auto* u = static_cast<ucontext_t*>(raw);
  greg_t* g = u->uc_mcontext.gregs;
  const auto rip = static_cast<std::uint64_t>(g[REG_RIP]);
  // Only what the instruction under test raised is a result; anything else is our own crash.
  if (rip < kSlot || rip >= kSlot + 64) {
    std::fprintf(stderr, "differential: signal outside the instruction under test, rip %#llx address %p\n",
                 static_cast<unsigned long long>(rip), info->si_addr);
    std::abort();
  }
  constexpr int kOrder[16] = {REG_RAX, REG_RCX, REG_RDX, REG_RBX, REG_RSP, REG_RBP, REG_RSI, REG_RDI,
                              REG_R8,  REG_R9,  REG_R10, REG_R11, REG_R12, REG_R13, REG_R14, REG_R15};
  Context& c = context();
  for (unsigned i = 0; i < 16; ++i) c.gpr_out[i] = static_cast<std::uint64_t>(g[kOrder[i]]);
  c.flags_out = static_cast<std::uint64_t>(g[REG_EFL]);
  c.path = kPathException;
  c.trap = static_cast<std::uint64_t>(g[REG_TRAPNO]);
  c.error = static_cast<std::uint64_t>(g[REG_ERR]);
  c.cr2 = static_cast<std::uint64_t>(g[REG_CR2]);
  // Where the kernel saves with XSAVE, that is the whole image.
  c.out = {};
  std::memcpy(&c.out, u->uc_mcontext.fpregs, host_has_avx() ? sizeof c.out : sizeof c.out.fx);
  if (!(c.out.components & 4)) std::memset(c.out.ymm_high, 0, sizeof c.out.ymm_high);
  g[REG_RIP] = static_cast<greg_t>(restore_code);
  g[REG_EFL] = 0x202;
}

void map(std::uint64_t address, std::uint64_t size, int protection) {
  void* p = mmap(reinterpret_cast<void*>(address), size, protection,
                 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE, -1, 0);
  if (p != reinterpret_cast<void*>(address)) {
    std::perror("differential: cannot map the test area");
    std::abort();
  }
}

// FXSAVE and FXRSTOR, or XSAVE and XRSTOR; these change RAX, RDX and the flags.
void choose_components(Assembler& a) {
  a.bytes({0xb8});  // mov eax, imm32
  a.word32(kComponents);
  a.bytes({0x31, 0xd2});  // xor edx, edx
}
void save_vectors(Assembler& a, std::uint32_t address) {
  if (host_has_avx()) choose_components(a);
  a.absolute({0x48, 0x0f, 0xae}, host_has_avx() ? 4 : 0, address);
}
void load_vectors(Assembler& a, std::uint32_t address) {
  if (host_has_avx()) choose_components(a);
  a.absolute({0x48, 0x0f, 0xae}, host_has_avx() ? 5 : 1, address);
}

void write_thunk() {
  Assembler a(kThunk);
  a.bytes({0x53, 0x55, 0x41, 0x54, 0x41, 0x55, 0x41, 0x56, 0x41, 0x57});  // push rbx, rbp, r12…r15
  a.absolute({0x48, 0x89}, 4, at(offsetof(Context, host_rsp)));
  save_vectors(a, at(offsetof(Context, host)));
  load_vectors(a, at(offsetof(Context, in)));
  a.bytes({0x48, 0xc7, 0xc4});  // mov rsp, imm32
  a.word32(kScratchStack);
  a.absolute({0xff}, 6, at(offsetof(Context, flags_in)));
  a.bytes({0x9d});  // popfq
  for (unsigned r = 0; r < 16; ++r)
    a.absolute({r < 8 ? 0x48u : 0x4cu, 0x8b}, r, at(offsetof(Context, gpr_in) + 8 * r));
  a.jump(kSlot);
  store_code = a.where();
  for (unsigned r = 0; r < 16; ++r)
    a.absolute({r < 8 ? 0x48u : 0x4cu, 0x89}, r, at(offsetof(Context, gpr_out) + 8 * r));
  a.bytes({0x48, 0xc7, 0xc4});
  a.word32(kScratchStack);
  a.bytes({0x9c});  // pushfq
  a.absolute({0x8f}, 0, at(offsetof(Context, flags_out)));
  save_vectors(a, at(offsetof(Context, out)));
  restore_code = a.where();
  a.bytes({0xfc});  // cld
  load_vectors(a, at(offsetof(Context, host)));
  a.absolute({0x48, 0x8b}, 4, at(offsetof(Context, host_rsp)));
  a.bytes({0x41, 0x5f, 0x41, 0x5e, 0x41, 0x5d, 0x41, 0x5c, 0x5d, 0x5b, 0xc3});
}

void set_up() {
  static bool done = false;
  if (done) return;
  done = true;
  map(kThunk, 0x2000, PROT_READ | PROT_WRITE | PROT_EXEC);
  map(kContext, 0x4000, PROT_READ | PROT_WRITE);
  map(kData - 0x10000, kDataSize + 0x20000, PROT_NONE);
  mprotect(reinterpret_cast<void*>(kData), kDataSize, PROT_READ | PROT_WRITE);
  write_thunk();
}

// The signal handlers are ours only while the thunk runs: Catch has its own.
class Signals {
 public:
  Signals() {
    static std::uint8_t stack[64 * 1024];
    stack_t alternate{};
    alternate.ss_sp = stack;
    alternate.ss_size = sizeof stack;
    sigaltstack(&alternate, &old_stack_);
    struct sigaction action {};
    action.sa_sigaction = on_signal;
    action.sa_flags = SA_SIGINFO | SA_ONSTACK;
    for (unsigned i = 0; i < kCount; ++i) sigaction(kSignals[i], &action, &old_[i]);
  }
  ~Signals() {
    for (unsigned i = 0; i < kCount; ++i) sigaction(kSignals[i], &old_[i], nullptr);
    sigaltstack(&old_stack_, nullptr);
  }
  Signals(const Signals&) = delete;
  Signals& operator=(const Signals&) = delete;

 private:
  static constexpr unsigned kCount = 5;
  static constexpr int kSignals[kCount] = {SIGFPE, SIGILL, SIGSEGV, SIGBUS, SIGTRAP};
  struct sigaction old_[kCount];
  stack_t old_stack_;
};

// What is in its initial configuration is loaded as such, so that the processor knows.
std::uint64_t components_in_use(const MachineState& s) {
  const auto zero = [](const auto& registers) {
    return std::all_of(registers.begin(), registers.end(), [](const auto& r) { return r[0] == 0 && r[1] == 0; });
  };
  const auto& x = s.x87;
  bool x87 = x.control != 0x37f || x.status != 0 || x.tag_valid != 0;
  for (const auto& r : x.r) x87 = x87 || r.significand != 0 || r.sign_exponent != 0;
  return (x87 ? 1u : 0u) | (zero(s.xmm) ? 0u : 2u) | (zero(s.ymm_high) ? 0u : 4u);
}

XsaveImage to_image(const MachineState& s) {
  XsaveImage x{};
  x.components = components_in_use(s);
  FxImage& f = x.fx;
  f.control = s.x87.control;
  f.status = s.x87.status;
  const unsigned top = (s.x87.status >> 11) & 7;
  f.tag = s.x87.tag_valid;
  f.mxcsr = s.mxcsr;
  f.mxcsr_mask = 0xffff;
  for (unsigned i = 0; i < 8; ++i) {
    f.st[i].significand = s.x87.r[(top + i) & 7].significand;
    f.st[i].sign_exponent = s.x87.r[(top + i) & 7].sign_exponent;
  }
  for (unsigned i = 0; i < 16; ++i) {
    std::memcpy(f.xmm[i], s.xmm[i].data(), 16);
    std::memcpy(x.ymm_high[i], s.ymm_high[i].data(), 16);
  }
  return x;
}

// XSAVE leaves out what is in its initial configuration.
void from_image(const XsaveImage& x, MachineState& s) {
  const FxImage& f = x.fx;
  s.x87 = {};
  s.x87.control = f.control;
  s.x87.status = f.status;
  s.x87.tag_valid = f.tag;
  const unsigned top = (f.status >> 11) & 7;
  for (unsigned i = 0; i < 8; ++i) s.x87.r[(top + i) & 7] = {f.st[i].significand, f.st[i].sign_exponent};
  s.mxcsr = f.mxcsr;
  for (unsigned i = 0; i < 16; ++i) {
    std::memcpy(s.xmm[i].data(), f.xmm[i], 16);
    std::memcpy(s.ymm_high[i].data(), x.ymm_high[i], 16);
  }
}

}  // namespace

bool host_has_avx() {
  static const bool has = __builtin_cpu_supports("avx");
  return has;
}

Result run_on_host(const Instance& i, const std::vector<std::uint8_t>& data) {
  set_up();
  Context& c = context();
  std::memcpy(c.gpr_in, i.state.gpr.data(), sizeof c.gpr_in);
  c.flags_in = i.state.rflags;
  c.path = 0;
  c.in = to_image(i.state);
  c.out = {};
  std::memcpy(reinterpret_cast<void*>(kData), data.data(), kDataSize);

  Assembler a(kSlot);
  for (const std::uint8_t b : i.code) a.bytes({b});
  // Not taken: 11 + 2 bytes, so that a taken branch lands kTakenOffset on.
  a.absolute({0xc7}, 0, at(offsetof(Context, path)));
  a.word32(kPathNext);
  a.bytes({0xeb, 0x0b});
  a.absolute({0xc7}, 0, at(offsetof(Context, path)));
  a.word32(kPathTaken);
  a.jump(store_code);

  {
    const Signals signals;
    asm volatile("call *%0"
                 :
                 : "r"(kThunk)
                 : "memory", "cc", "rax", "rcx", "rdx", "rsi", "rdi", "r8", "r9", "r10", "r11");
  }

  Result r;
  r.state.rflags = c.flags_out;
  std::memcpy(r.state.gpr.data(), c.gpr_out, sizeof c.gpr_out);
  from_image(c.out, r.state);
  if (c.path == kPathException) {
    r.end = Result::End::kException;
    r.vector = static_cast<std::uint8_t>(c.trap);
    r.error_code = static_cast<std::uint32_t>(c.error);
    r.cr2 = c.cr2;
  } else {
    r.end = c.path == kPathTaken ? Result::End::kTaken : Result::End::kNext;
  }
  r.data.assign(reinterpret_cast<const std::uint8_t*>(kData),
                reinterpret_cast<const std::uint8_t*>(kData) + kDataSize);
  return r;
}

}  // namespace xensim::differential
