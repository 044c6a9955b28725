// UserError: the one exception for what a user can cause (configuration, images, files, arguments).
// It says what is wrong, where, and how to mend it; programs print it as one line and exit with status 2.
#pragma once

#include <stdexcept>
#include <string>

namespace xensim {

class UserError : public std::runtime_error {
 public:
  // place: a file, optionally with a place in it ("configs/lab.json: /cpu/l2/ways"), or a command-line option.
  // what:  what is wrong, with the offending value.   mend: what to do about it (may be empty).
  UserError(const std::string& place, const std::string& what, const std::string& mend = "")
      : std::runtime_error((place.empty() ? "" : place + ": ") + what + (mend.empty() ? "" : "; " + mend)) {}
};

}  // namespace xensim
