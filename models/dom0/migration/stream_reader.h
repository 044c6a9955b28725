// Reads a saved domain (records.h) from bytes that come piece by piece: a file, or the link from another host.
// Each function takes the next part as a whole, or says that it is not all there yet.
//
// The bytes are somebody else's: every length and count is checked before it is used. What is wrong is a
// StreamError, whose text is what xl, libxl and libxc 4.17 print of it.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "models/dom0/migration/records.h"
#include "models/dom0/migration/stream_writer.h"

namespace xensim::dom0 {

// what(): lines, each with its end, for standard error.
class StreamError : public std::runtime_error {
 public:
  explicit StreamError(const std::string& lines, int errno_value = 0)
      : std::runtime_error(lines), error(errno_value) {}
  const int error;
};

class StreamReader {
 public:
  // place: what xl calls the source, for messages.
  explicit StreamReader(std::string place) : place_(std::move(place)) {}

  void put(std::span<const std::uint8_t> bytes);
  // Nothing more comes: what is not there by now is missing.
  void end() { ended_ = true; }

  // xl's header, without and with its optional data. configuration: empty if there is none.
  struct XlHeader {
    std::uint32_t mandatory_flags = 0, optional_flags = 0, optional_bytes = 0;
  };
  std::optional<XlHeader> xl_header();
  std::optional<std::string> xl_configuration(const XlHeader& header);
  // false: not there yet.
  bool libxl_header();
  struct LibxcHeader {
    std::uint32_t type = 0;  // of domain
    std::uint16_t page_shift = 0;
    std::uint32_t xen_major = 0, xen_minor = 0;
  };
  std::optional<LibxcHeader> libxc_header();

  // A body is good until the next part is taken or bytes are put.
  struct LibxlItem {
    LibxlRecord type;
    std::span<const std::uint8_t> body;
  };
  struct LibxcItem {
    LibxcRecord type;
    std::span<const std::uint8_t> body;
  };
  std::optional<LibxlItem> libxl_record();
  // The next record that this reader knows; optional ones that it does not know are passed over.
  std::optional<LibxcItem> libxc_record();

  // The contents of records with a structure.
  static std::vector<StreamPage> pages(std::span<const std::uint8_t> body);
  static StreamTsc tsc_info(std::span<const std::uint8_t> body);
  static std::vector<StreamParameter> hvm_params(std::span<const std::uint8_t> body);

  // Bytes that were put and not taken.
  std::size_t waiting() const { return bytes_.size() - at_; }

 private:
  // The next n bytes, or none if they are not there yet; missing: what to say if they will not come.
  std::optional<std::span<const std::uint8_t>> take(std::uint64_t n, const std::string& missing);
  std::span<const std::uint8_t> look(std::size_t n) const { return std::span(bytes_).subspan(at_, n); }

  std::string place_;
  std::vector<std::uint8_t> bytes_;
  std::size_t at_ = 0;  // of what was not taken
  bool ended_ = false;
};

// What libxc calls a type of domain.
const char* domain_type_name(std::uint32_t type);
// "xc: error: …: Internal error", with errno's text if there is one.
std::string xc_error(const std::string& what);
std::string xc_error(const std::string& what, int error);

}  // namespace xensim::dom0
