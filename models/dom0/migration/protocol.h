// What `xl migrate` and `xl migrate-receive` say to each other around the stream of the domain: xl 4.17's own
// words, so that either end could be the real one. In order, S the sender and R the receiver:
//
//   R kBanner   S xl's header, libxl's stream   R kReady   S kGo   R kReport, one byte: 0 or what went wrong
//                                                                  R kGo, if it was not 0: S may resume
//
// Up to kReady the sender's domain goes on whatever happens. From kGo on it is the receiver's, unless that gives
// it back. Texts other than kBanner end in a zero byte.
#pragma once

#include <string_view>

namespace xensim::dom0::protocol {

inline constexpr std::string_view kBanner = "xl migration receiver ready, send binary domain data.\n";
inline constexpr std::string_view kReady{"domain received, ready to unpause\0", 34};
inline constexpr std::string_view kGo{"domain is yours, you are cleared to unpause\0", 44};
inline constexpr std::string_view kReport{"my copy unpause results are as follows\0", 39};

}  // namespace xensim::dom0::protocol
