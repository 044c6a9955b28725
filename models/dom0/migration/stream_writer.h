// Writes a saved domain, record by record (records.h), to whoever takes the bytes: a file, or the link to another
// host.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <span>
#include <string_view>
#include <vector>

#include "models/dom0/migration/records.h"
#include "models/xen/public.h"

namespace xensim::dom0 {

// A page as PAGE_DATA has it; content is 4 KiB for a plain page, else empty.
struct StreamPage {
  std::uint64_t pfn = 0;
  PageKind kind = PageKind::kPlain;
  std::span<const std::uint8_t> content;
};

struct StreamTsc {
  std::uint32_t mode = 0;  // XEN_DOMCTL_TSC_MODE
  std::uint32_t khz = 0;
  std::uint64_t elapsed_ns = 0;
  std::uint32_t incarnation = 0;
};

struct StreamParameter {
  std::uint64_t index = 0, value = 0;
};

class StreamWriter {
 public:
  using Sink = std::function<void(std::span<const std::uint8_t>)>;
  explicit StreamWriter(Sink sink) : sink_(std::move(sink)) {}

  // config: what the domain is created from at the other end.
  void xl_header(std::string_view config);
  void libxl_header();
  void libxl_record(LibxlRecord type, std::span<const std::uint8_t> body = {});
  void libxc_header();
  void libxc_record(LibxcRecord type, std::span<const std::uint8_t> body = {});

  // Records with a structure. At most kMostPagesPerRecord pages at a time.
  void pages(std::span<const StreamPage> pages);
  void tsc_info(const StreamTsc& tsc);
  void hvm_params(std::span<const StreamParameter> parameters);

  std::uint64_t bytes() const { return bytes_; }

 private:
  void put(std::span<const std::uint8_t> bytes);
  void record(std::uint32_t type, std::span<const std::uint8_t> body);

  Sink sink_;
  std::uint64_t bytes_ = 0;
};

}  // namespace xensim::dom0
