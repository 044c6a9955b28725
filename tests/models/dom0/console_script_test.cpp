// Steps of a console's script: what each waits for, and what ends it.
#include "models/dom0/console_script.h"

#include <catch2/catch.hpp>

namespace xensim::dom0 {
namespace {

using State = ConsoleScript::State;

ConsoleStep expect_text(const std::string& text, std::optional<std::uint64_t> within = std::nullopt) {
  ConsoleStep s;
  s.expect = text;
  s.within = within;
  return s;
}
ConsoleStep expect_line(const std::string& pattern) {
  ConsoleStep s;
  s.expect_line = pattern;
  return s;
}
ConsoleStep send(const std::string& text) {
  ConsoleStep s;
  s.send = text;
  return s;
}
ConsoleStep wait_ns(std::uint64_t ns) {
  ConsoleStep s;
  s.wait = ns;
  return s;
}
ConsoleStep xl(const std::string& command) {
  ConsoleStep s;
  s.xl = command;
  return s;
}
ConsoleScript script(std::vector<ConsoleStep> steps) { return {std::move(steps), "s.json: /domains/0/console/"}; }

TEST_CASE("text is found across pieces of output, and carriage returns are not seen") {
  ConsoleScript s = script({expect_text("a\nb")});
  for (const char* piece : {"xxa", "\r", "\n"}) {
    s.output(piece);
    s.advance(1);
    CHECK(s.state() == State::kRunning);
  }
  s.output("b");
  s.advance(2);
  CHECK(s.state() == State::kDone);
}

TEST_CASE("a step looks only at what came after the last match") {
  ConsoleScript s = script({expect_text("# "), expect_text("# ")});
  s.output("# ");
  s.advance(1);
  CHECK(s.step() == 1);
  s.output("# ");
  s.advance(2);
  CHECK(s.state() == State::kDone);
}

TEST_CASE("two matches in one piece of output serve two steps") {
  ConsoleScript s = script({expect_text("one"), expect_text("two")});
  s.output("one two");
  s.advance(1);
  CHECK(s.state() == State::kDone);
}

TEST_CASE("a regular expression is found in one line, complete or not") {
  ConsoleScript s = script({expect_line("^sum: [0-9]+ "), expect_line("^\\$ $")});
  s.output("asum: 1 \nsum: x\nsum: 12");
  s.advance(1);
  CHECK(s.step() == 0);
  s.output("3 bytes\n$ ");
  s.advance(2);
  CHECK(s.state() == State::kDone);
}

TEST_CASE("an expect fails at its time and not before, with what it waited for and the last output") {
  ConsoleScript s = script({wait_ns(5), expect_text("login:", 10)});
  s.advance(100);
  s.output("panic\n");
  s.advance(105);  // the wait is over, and the expect begins
  CHECK(s.deadline() == 115);
  s.advance(114);
  CHECK(s.state() == State::kRunning);
  s.advance(115);
  REQUIRE(s.state() == State::kFailed);
  CHECK(s.failure() ==
        "s.json: /domains/0/console/1: expect \"login:\" within 10ns: it did not come (at 0 ms); "
        "the console's last output: \"panic\\n\"");
}

TEST_CASE("what comes at the last moment is in time") {
  ConsoleScript s = script({expect_text("x", 10)});
  s.advance(0);
  s.output("x");
  s.advance(10);
  CHECK(s.state() == State::kDone);
}

TEST_CASE("a wait ends at its time and not before") {
  ConsoleScript s = script({wait_ns(7)});
  s.advance(1);
  s.advance(7);
  CHECK(s.state() == State::kRunning);
  s.advance(8);
  CHECK(s.state() == State::kDone);
}

TEST_CASE("what is sent is handed out as far as there is room, in order") {
  ConsoleScript s = script({send("hello"), send("x")});
  CHECK(s.input().empty());
  s.advance(1);
  CHECK(s.input() == "hello");
  s.typed(3, 1);
  CHECK(s.input() == "lo");
  s.typed(2, 2);
  CHECK(s.input().empty());  // the next step has not begun
  s.advance(2);
  CHECK(s.input() == "x");
}

TEST_CASE("xl is asked for once, and its status decides") {
  ConsoleScript s = script({xl("vcpu-set web 2"), xl("pause web")});
  CHECK_FALSE(s.take_command());
  s.advance(1);
  CHECK(s.take_command() == "vcpu-set web 2");
  CHECK_FALSE(s.take_command());
  s.command_over(0, 0, 5);
  s.command_over(0, 0, 6);  // of a step that is over: nothing
  CHECK(s.step() == 1);
  s.advance(6);
  CHECK(s.take_command() == "pause web");
  s.command_over(1, 3, 7);
  CHECK(s.state() == State::kFailed);
}

TEST_CASE("a run that ends first fails a script that is not through") {
  ConsoleScript s = script({expect_text("x")});
  s.end(1'000'000);
  CHECK(s.failure() ==
        "s.json: /domains/0/console/0: expect \"x\": the run ended first (at 1 ms); the console's "
        "last output: none");
  ConsoleScript done = script({});
  done.end(1);
  CHECK(done.state() == State::kDone);
}

TEST_CASE("each step is logged when it is over") {
  ConsoleScript s = script({expect_text("# "), send("ls\n")});
  s.advance(1);
  s.output("# ");
  s.advance(3);
  s.typed(3, 4);
  REQUIRE(s.log().size() == 2);
  CHECK(s.log()[0].at == 3);
  CHECK(s.log()[0].text == "expect \"# \": seen");
  CHECK(s.log()[1].text == "send \"ls\\n\"");
}

TEST_CASE("output without end is kept within limits, and its end is still looked at") {
  ConsoleScript s = script({expect_text("end"), expect_line("never")});
  const std::string much(ConsoleScript::kScreen - 1, 'x');
  s.advance(0);
  for (int i = 0; i < 8; ++i) s.output(much);
  s.output("end");
  s.advance(1);
  CHECK(s.step() == 1);
  for (int i = 0; i < 8; ++i) {
    s.output(much);
    s.advance(2);
  }
  CHECK(s.state() == State::kRunning);
}

TEST_CASE("a step that does nothing, or two things, is refused") {
  CHECK(wrong_with({}) != "");
  ConsoleStep both = send("x");
  both.wait = 1;
  CHECK(wrong_with(both) != "");
  ConsoleStep late = send("x");
  late.within = 1;
  CHECK(wrong_with(late) != "");
  CHECK(wrong_with(send("")) != "");
  CHECK(wrong_with(expect_text("")) != "");
  CHECK(wrong_with(expect_line("(")) != "");
  CHECK(wrong_with(expect_line("^a+$")) == "");
  CHECK(wrong_with(expect_text("a", 5)) == "");
}

}  // namespace
}  // namespace xensim::dom0
