//===- InterruptTest.cpp - Ctrl-C -----------------------------------------------------------------------------===//

#include "LaminaRun.h"

#include <chrono>

// timeout sends a signal to its group as well unless it is in the foreground: a second one ends the program at once.

namespace lamina::test {
namespace {

TEST_F(LaminaRun, AnInterruptEndsALongStep) {
  // "2" makes memory0 sleep for half a minute. A loaded machine may need many seconds to get there; an
  // interrupt before that ends the program without a word of output.
  Outcome outcome;
  for (int seconds : {2, 8, 20}) {
    auto began = std::chrono::steady_clock::now();
    outcome = runProgram("/usr/bin/timeout",
                         {"--preserve-status", "--foreground", "-s", "INT", std::to_string(seconds),
                          LAMINA_RUN_PROGRAM, model_.artifact(), "--prompt", "2", "--output=json"});
    EXPECT_LT(std::chrono::steady_clock::now() - began, std::chrono::seconds(seconds + 9));
    EXPECT_EQ(outcome.status, 130) << outcome.err;
    if (!outcome.out.empty())
      break;
  }
  EXPECT_THAT(outcome.out, HasSubstr("\"finish_reason\":\"interrupted\""));
}

/// The workers are threads of one driver. The first prompt says "m" after "m" while tokens of the others, each of which takes
/// 50 ms, come one in a step.
TEST_F(LaminaRun, AnInterruptKeepsWhatWorkersInProcessHaveGenerated) {
  std::string slow(95, '0');
  writeFile(model_.file("prompts"), kFifteen + "\n" + slow + "\n" + slow + "\n" + slow + "\n");
  Json first;
  for (const char *seconds : {"2", "4", "8"}) {
    Outcome outcome =
        runProgram("/usr/bin/timeout", {"--preserve-status", "--foreground", "-s", "INT", seconds,
                                        LAMINA_RUN_PROGRAM, model_.artifact(), "--inproc", "--prompt-file",
                                        model_.file("prompts"), "--prefill-chunk", "1", "--output=json"});
    EXPECT_EQ(outcome.status, 130) << outcome.err;
    EXPECT_EQ(outcome.err, "");
    first = Json::parse(outcome.out.substr(0, outcome.out.find('\n')), nullptr, false);
    if (first.is_object() && !first["tokens"].empty())
      break;
  }
  ASSERT_TRUE(first.is_object() && !first["tokens"].empty()) << "it never got as far as generating";
  EXPECT_EQ(first["finish_reason"], "interrupted");
  EXPECT_EQ(first["text"], std::string(first["tokens"].size(), 'm'));
}

/// The first message takes four seconds and a half. An interrupt before it ends the program, so tries are two seconds
/// apart until one is not too early.
TEST_F(LaminaRun, AnInterruptEndsAnAnswerAndNotTheConversation) {
  Outcome outcome;
  for (int seconds = 1; seconds < 30; seconds += 2) {
    outcome = runProgram("/usr/bin/timeout",
                         {"--preserve-status", "--foreground", "-s", "INT", std::to_string(seconds),
                          LAMINA_RUN_PROGRAM, model_.artifact(), "--chat", "--prefill-chunk", "1", "-n", "2"},
                         std::string(90, '0') + "\nabc\n");
    if (outcome.status == 0)
      break;
    EXPECT_EQ(outcome.status, 130) << outcome.err;
    EXPECT_EQ(outcome.out, "");
  }
  EXPECT_EQ(outcome.out, "\nmm\n") << outcome.err;
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_EQ(outcome.err, "");
}

/// A shell lets what it starts in the background ignore it. Twenty tokens take 50 ms each.
TEST_F(LaminaRun, AnInterruptThatIsIgnoredStaysSo) {
  Outcome outcome =
      runProgram("/bin/sh", {"-c", "\"$@\" & while sleep 0.2; kill -INT $!; do :; done 2>/dev/null; wait $!",
                             "sh", LAMINA_RUN_PROGRAM, model_.artifact(), "--prompt", std::string(20, '0'),
                             "--prefill-chunk", "1", "-n", "1"});
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_EQ(outcome.out, "m\n");
}

} // namespace
} // namespace lamina::test
