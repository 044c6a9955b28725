// Reads a saved domain (records.h). The bytes are somebody else's: every length and count is checked before it is
// used, and what is wrong is one UserError with the file, the offset and the mend.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "models/dom0/migration/records.h"
#include "models/dom0/migration/stream_writer.h"

namespace xensim::dom0 {

class StreamReader {
 public:
  // place: for messages, the file's name. The bytes must outlive the reader and what it returns.
  StreamReader(std::string place, std::span<const std::uint8_t> bytes) : place_(std::move(place)), bytes_(bytes) {}

  // The configuration in xl's header.
  std::string xl_header();
  void libxl_header();
  void libxc_header();

  struct LibxlItem {
    LibxlRecord type;
    std::span<const std::uint8_t> body;
  };
  struct LibxcItem {
    LibxcRecord type;
    std::span<const std::uint8_t> body;
    std::size_t offset;  // of the body
  };
  LibxlItem libxl_record();
  // The next record that this reader knows; optional ones that it does not know are passed over.
  LibxcItem libxc_record();

  // The contents of records with a structure.
  std::vector<StreamPage> pages(const LibxcItem& item) const;
  StreamTsc tsc_info(const LibxcItem& item) const;
  std::vector<StreamParameter> hvm_params(const LibxcItem& item) const;

  std::size_t offset() const { return at_; }
  bool at_end() const { return at_ == bytes_.size(); }

 private:
  [[noreturn]] void fail(std::size_t at, const std::string& what) const;
  std::span<const std::uint8_t> take(std::uint64_t n);
  std::span<const std::uint8_t> body_of(std::uint32_t& type);

  std::string place_;
  std::span<const std::uint8_t> bytes_;
  std::size_t at_ = 0;
};

}  // namespace xensim::dom0
