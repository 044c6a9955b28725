// Joins the tables (tables.h) with the core's verdict on each form in each mode that it occurs in.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "tools/instruction_set/verdict.h"

namespace xensim::instruction_set {

enum class Status : std::uint8_t {
  kHost,      // executed by the core and by a real processor from the same states, with equal results
  kUnicorn,   // likewise, by the Unicorn library
  kUnit,      // held by unit tests that were written from the manual
  kUnproven,  // the core executes it; nothing compares it
  kMissing,   // the processor offers the extension (or it has no bit) and the core has no handler
  kHidden,    // of an extension that the processor does not offer: #UD, as on real hardware without it
  kNotCode,   // the bytes are no code
  kCount,
};

struct ReportedForm {
  std::string name;
  unsigned mode = 64;
  Status status = Status::kUnproven;
  std::string extension, reason;
  std::map<std::string, std::uint64_t> images;  // how often it occurs
};

class Report {
 public:
  explicit Report(const std::string& data_folder);
  void print() const;
  // The forms that are missing or unproven, on standard output; the exit status.
  int check() const;

 private:
  struct Proof {
    std::map<std::string, std::map<unsigned, std::uint64_t>> cases;  // by what it was compared with, and by mode
    bool unit = false;                                               // held by a unit test
  };

  ReportedForm form(const std::string& name, unsigned mode, const std::string& bytes) const;
  void print_counts() const;
  void print_list(Status status, const char* title, const char* empty) const;
  void print_hidden() const;
  void print_all() const;

  std::map<std::string, Proof> proofs_;
  std::map<std::string, std::string> not_code_;  // form + image → why
  std::vector<ReportedForm> forms_;
  std::vector<std::string> images_, image_notes_, run_notes_;
};

}  // namespace xensim::instruction_set
