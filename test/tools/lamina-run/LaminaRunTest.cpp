//===- LaminaRunTest.cpp - the command line, from outside ---------------------------------------------===//

#include "LaminaRun.h"

#include "test/runtime/executor/TestPlan.h"

#include <cstring>
#include <filesystem>

namespace lamina::test {
namespace {

using testing::StartsWith;

std::vector<std::string> keysOf(const Json &object) {
  std::vector<std::string> keys;
  for (auto entry = object.begin(); entry != object.end(); ++entry)
    keys.push_back(entry.key());
  return keys;
}

TEST_F(LaminaRun, WritesTextThatEndsWithALine) {
  Outcome outcome = run({"--prompt", kFifteen, "-n", "5"});
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_EQ(outcome.out, "mmmmm\n");
  EXPECT_EQ(outcome.err, "");
  EXPECT_EQ(run({"--prompt", kFifteen, "-n", "5", "--inproc"}).out, "mmmmm\n");
  EXPECT_EQ(run({"--prompt", kFifteen, "-n", "5", "--stop", "mmm"}).out, "\n");
}

TEST_F(LaminaRun, WarnsOfSamplingThatHasNoEffect) {
  for (const char *option : {"--top-k=3", "--top-p=0.5", "--min-p=0.1", "--seed=0"}) {
    std::string name(option, std::strcspn(option, "="));
    EXPECT_EQ(run({"--prompt", kFifteen, "-n", "1", option}).err,
              "lamina-run: warning: " + name +
                  " has no effect at temperature 0; give --temperature above 0\n");
    EXPECT_EQ(run({"--prompt", kFifteen, "-n", "1", option, "--temperature", "0.5"}).err, "");
  }
  EXPECT_EQ(run({"--prompt", kFifteen, "-n", "1", "--repetition-penalty", "1.1"}).err, "");
  EXPECT_EQ(run({"--chat", "-n", "1", "--top-k=3", "--seed=1"}, kFifteen + "\nabc\n").err,
            "lamina-run: warning: --top-k has no effect at temperature 0; give --temperature above 0\n");
}

TEST_F(LaminaRun, WritesTheDocumentedJson) {
  Json result = json({"--prompt", kFifteen, "-n", "4"});
  EXPECT_EQ(keysOf(result), (std::vector<std::string>{"prompt_tokens", "tokens", "text", "finish_reason",
                                                      "timings", "workers"}));
  EXPECT_EQ(result["prompt_tokens"].size(), 15u);
  EXPECT_EQ(result["prompt_tokens"][0], 1);
  EXPECT_EQ(result["tokens"], Json({15, 15, 15, 15}));
  EXPECT_EQ(result["text"], "mmmm");
  EXPECT_EQ(result["finish_reason"], "length");
  EXPECT_EQ(
      keysOf(result["timings"]),
      (std::vector<std::string>{"load_ms", "prefill_ms", "prefill_tokens", "first_token_ms", "decode_ms",
                                "decode_tokens", "prefill_tokens_per_second", "decode_tokens_per_second"}));
  EXPECT_EQ(result["timings"]["prefill_tokens"], 15);
  EXPECT_EQ(result["timings"]["decode_tokens"], 3);
  ASSERT_EQ(result["workers"].size(), 2u);
  EXPECT_EQ(keysOf(result["workers"][1]),
            (std::vector<std::string>{"name", "class", "pid", "device", "bytes_sent", "bytes_received",
                                      "busy_fraction"}));
  EXPECT_EQ(result["workers"][1]["name"], "memory0");
  EXPECT_EQ(result["workers"][1]["class"], "memory");
  EXPECT_NE(result["workers"][0]["pid"], result["workers"][1]["pid"]);
  EXPECT_EQ(result["workers"][0]["bytes_sent"], 18 * 3 * 64); // q, k and v of 18 tokens
  EXPECT_EQ(result["workers"][1]["bytes_received"], 18 * 3 * 64);
}

TEST_F(LaminaRun, StopsBeforeAStopString) {
  Json result = json({"--prompt", kFifteen, "-n", "40", "--stop", "zzz", "--stop", "mm"});
  EXPECT_EQ(result["text"], "");
  EXPECT_EQ(result["finish_reason"], "stop");
  EXPECT_EQ(result["tokens"].size(), 2u);
}

TEST_F(LaminaRun, WritesTheLogitsOfThePrompt) {
  std::string file = model_.file("logits.npy");
  EXPECT_EQ(
      run({"--prompt-tokens", "3, 4,5", "-n", "1", "--logits-out", file, "--prefill-chunk", "2"}).status, 0);
  std::string bytes = readFile(file);
  EXPECT_EQ(bytes.substr(0, 8), std::string("\x93NUMPY\x01\x00", 8));
  EXPECT_THAT(bytes, HasSubstr("'shape': (3, 32)"));
  size_t data = 10 + static_cast<unsigned char>(bytes[8]) + 256 * static_cast<unsigned char>(bytes[9]);
  EXPECT_EQ(data % 64, 0u);
  ASSERT_EQ(bytes.size(), data + 3 * 32 * 4);
  std::vector<int> ids;
  for (int row = 0; row < 3; ++row) {
    ids.push_back(3 + row);
    float first;
    std::memcpy(&first, bytes.data() + data + static_cast<size_t>(row) * 32 * 4, 4);
    EXPECT_EQ(first, expectedLogit(ids));
  }
}

TEST_F(LaminaRun, WritesNothingButLogitsIntoTheirFileThoughOutputIsClosed) {
  for (const char *closed : {"", " >&-", " 2>&-", " <&- >&- 2>&-"}) {
    std::string file = model_.file("logits.npy");
    Outcome outcome = runProgram("/bin/sh", {"-c", std::string("exec \"$@\"") + closed, "sh",
                                             LAMINA_RUN_PROGRAM, model_.artifact(), "--prompt-tokens",
                                             "3,4,5", "-n", "1", "--logits-out", file});
    EXPECT_EQ(outcome.status, std::string(closed).find(" >") == std::string::npos ? 0 : 1)
        << closed << outcome.err;
    EXPECT_EQ(std::filesystem::file_size(file), 128u + 3 * 32 * 4) << closed;
  }
}

TEST_F(LaminaRun, GeneratesForEveryLineOfAFile) {
  std::string file = model_.file("prompts.txt");
  writeFile(file, kFifteen + "\r\n\nabcdefghijklmnop\nbbbbbbbbbbbbbbbbbbbb");
  Outcome outcome = run({"--prompt-file", file, "-n", "3", "--output=json"});
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_EQ(std::count(outcome.out.begin(), outcome.out.end(), '\n'), 3);
  Json first = Json::parse(outcome.out.substr(0, outcome.out.find('\n')), nullptr, false);
  EXPECT_EQ(first["prompt_tokens"].size(), 15u);
  EXPECT_EQ(first["text"], "mmm");
  EXPECT_EQ(run({"--prompt-file", file, "-n", "2"}).out,
            "[1] " + kFifteen + "\nmm\n\n[2] abcdefghijklmnop\nmm\n\n[3] bbbbbbbbbbbbbbbbbbbb\nmm\n\n");
}

TEST_F(LaminaRun, ReadsPromptsFromStandardInput) {
  std::string lines = "abcdefg\nhijklmn\n";
  Outcome outcome = run({"--prompt", "-", "-n", "2", "--output=json"}, lines);
  Json one = Json::parse(outcome.out, nullptr, false);
  EXPECT_EQ(one["prompt_tokens"], Json::parse(run({"--tokenize"}, lines).out)) << outcome.err;
  EXPECT_EQ(run({"--tokenize", "--prompt", "-"}, "cab").out, "[1, 5, 3, 4]\n");
  EXPECT_EQ(run({"--tokenize", "--prompt-file", "-"}, "a\r\nb").out, "[1, 3]\n[1, 4]\n");
  EXPECT_EQ(run({"--prompt-file", "-", "-n", "1"}, kFifteen + "\n" + kFifteen + "\n").out,
            "[1] " + kFifteen + "\nm\n\n[2] " + kFifteen + "\nm\n\n");
  refused(runProgram("/bin/sh",
                     {"-c", "exec \"$@\" < /", "sh", LAMINA_RUN_PROGRAM, model_.artifact(), "--prompt", "-"}),
          1, "cannot read standard input: Is a directory");
  EXPECT_THAT(run({}).err, HasSubstr("--prompt (- for standard input)"));
}

TEST_F(LaminaRun, WritesATraceWithALanePerWorkerAndOneForCommunication) {
  std::string file = model_.file("trace.json");
  Outcome outcome = run({"--prompt", kFifteen, "-n", "3", "--trace", model_.gguf() + "/x"});
  refused(outcome, 1, "x': Not a directory; give --trace another file"); // before anything is computed
  outcome = run({"--prompt", kFifteen, "-n", "3", "--trace", file, "--stats"});
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  for (const char *word :
       {"tokens/s", "busy ms/step", "wait ms/step", "memory0", "over all links 256 bytes per token"})
    EXPECT_THAT(outcome.err, HasSubstr(word));
  Json trace = Json::parse(readFile(file), nullptr, false);
  ASSERT_TRUE(trace.is_object());
  std::map<std::string, int> names;
  double laneEnd = 0;
  for (const Json &event : trace["traceEvents"]) {
    ++names[event["ph"] == "M" ? event["args"]["name"] : event["name"]];
    if (event["ph"] != "X" || event["tid"] != 2)
      continue;
    EXPECT_GE(event["ts"].get<double>(), laneEnd - 1e-3) << "bars of a lane must not overlap";
    laneEnd = event["ts"].get<double>() + event["dur"].get<double>();
  }
  EXPECT_EQ(names["compute0"] + names["memory0"] + names["communication"], 3);
  EXPECT_EQ(names["blk.0.attention"], 3);
  EXPECT_GE(names["blk.0 q"], 3 * 3); // sent, received or awaited, on its way
}

TEST_F(LaminaRun, MeasuresPerplexity) {
  std::string file = model_.file("text.txt");
  writeFile(file, "thequickbrownfoxjumpsoverthelazydog");
  Outcome outcome = run({"--perplexity", file, "--context-size", "12", "--output=json"});
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  Json result = Json::parse(outcome.out, nullptr, false);
  EXPECT_EQ(result["predictions"], 35);
  EXPECT_EQ(result["windows"].size(), 4u);
  EXPECT_NEAR(result["perplexity"].get<double>(), std::exp(result["mean_nll"].get<double>()), 1e-6);
  EXPECT_EQ(run({"--perplexity", file, "--no-bos", "--inproc", "--prefill-chunk", "3", "--stats"}).status, 0);
  EXPECT_THAT(run({"--perplexity", file}).out,
              HasSubstr("over 35 predictions (35 tokens of text, 1 windows of 100)"));
  refused(run({"--perplexity", file, "--context-size", "101"}), 1, "the compiled context is 100");
  refused(run({"--perplexity", model_.file("none")}), 1, "No such file");
}

TEST_F(LaminaRun, ChatsThroughTheTemplate) {
  EXPECT_EQ(run({"--chat", "--system", "abcdefg", "--prompt", "hijklmn", "-n", "2"}).out, "mm\n");
  Outcome outcome = run({"--chat", "-n", "2"}, kFifteen + "\n\nabc\n");
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_EQ(outcome.out, "mm\nmm\n");
  EXPECT_EQ(outcome.err, "");
}

/// Fifteen tokens, then three of the second message: the conversation before is in the cache but for a token.
TEST_F(LaminaRun, ComputesOfAConversationWhatIsNew) {
  Outcome outcome = run({"--chat", "-n", "2", "--stats"}, kFifteen + "\nabc\n");
  EXPECT_EQ(outcome.out, "mm\nmm\n");
  EXPECT_THAT(outcome.err, testing::ContainsRegex("ms for 19 tokens")) << outcome.err;
}

TEST_F(LaminaRun, SaysThatAConversationIsFull) {
  const std::string full = "lamina-run: warning: the context of 100 tokens is full; compile with a larger "
                           "--max-context to generate more\n";
  const std::string refusal = "the conversation is full: with this message it has 103 tokens, the compiled "
                              "context is 100; begin a new one or compile with --max-context=103\n";
  Outcome outcome = run({"--chat"}, kFifteen + "\nhi\nhi\n");
  EXPECT_EQ(outcome.status, 1);
  EXPECT_EQ(outcome.out, std::string(86, 'm') + "\n");
  EXPECT_EQ(outcome.err, full + "lamina-run: error: " + refusal);
  refused(run({"--chat"}, std::string(100, 'a')), 1, "shorten the prompt");
}

TEST_F(LaminaRun, GoesOnWithAFullConversationOnATerminal) {
  if (!canMakeTerminals())
    GTEST_SKIP() << "skipped: no terminals can be made here";
  const std::string refusal = "the conversation is full: with this message it has 103 tokens, the compiled "
                              "context is 100; begin a new one or compile with --max-context=103\n";
  writeFile(model_.file("lines"), kFifteen + "\nhi\nhi\n\x04");
  Outcome outcome = runProgram("/bin/sh", {"-c", "script -qec \"$*\" /dev/null < " + model_.file("lines"),
                                           "sh", LAMINA_RUN_PROGRAM, model_.artifact(), "--chat"});
  EXPECT_EQ(outcome.status, 0) << outcome.out;
  std::erase(outcome.out, '\r');
  size_t first = outcome.out.find(refusal);
  ASSERT_NE(first, std::string::npos) << outcome.out;
  EXPECT_NE(outcome.out.find(refusal, first + 1), std::string::npos) << outcome.out;
}

TEST_F(LaminaRun, DescribesAndChecks) {
  Outcome description = run({"--describe"});
  EXPECT_EQ(description.status, 0) << description.err;
  for (const char *word : {"test (llama)", "2 compute and 1 memory fragments", "memory0", "56.0 KiB",
                           "model.gguf", "compute0 -> memory0: 2 messages a step, 192 bytes per token"})
    EXPECT_THAT(description.out, HasSubstr(word));
  Json described = json({"--describe"});
  EXPECT_EQ(described["partition"]["compute_fragments"], 2);
  EXPECT_EQ(described["workers"][1]["device"], "cpu");
  EXPECT_EQ(described["limits"]["kv_page_tokens"], 16);
  EXPECT_THAT(run({"--check"}).out, HasSubstr("6 files"));
  EXPECT_EQ(json({"--check"})["ok"], true);
  std::string weights = model_.artifact() + "/weights/compute0.bin", bytes = readFile(weights);
  bytes[5] ^= 4;
  writeFile(weights, bytes);
  refused(run({"--check"}), 1, "weights/compute0.bin: sha256 is");
  refused(run({"--prompt", "abc"}), 1, "weights/compute0.bin: sha256 is");
}

TEST_F(LaminaRun, Tokenizes) {
  EXPECT_EQ(run({"--tokenize", "--prompt", "cab"}).out, "[1, 5, 3, 4]\n");
  EXPECT_EQ(run({"--tokenize", "--no-bos"}, "cab").out, "[5, 3, 4]\n");
  EXPECT_EQ(laminaRun({model_.gguf(), "--tokenize", "--prompt", "</s>"}).out, "[1, 2]\n");
  writeFile(model_.file("lines"), "a\n\nb\n");
  EXPECT_EQ(run({"--tokenize", "--prompt-file", model_.file("lines")}).out, "[1, 3]\n[1]\n[1, 4]\n");
}

TEST_F(LaminaRun, RefusesWhatCannotRun) {
  refused(run({"--prompt", std::string(100, 'a')}), 1,
          "the prompt has 101 tokens, the compiled context is 100");
  refused(run({"--prompt-tokens", "3,32"}), 1, "prompt token 32 is not in the vocabulary");
  refused(run({"--prompt-file", model_.file("none")}), 1, "No such file");
  refused(run({"--prompt", "abc", "--logits-out", "/nowhere/x.npy"}), 1, "cannot write '/nowhere/x.npy'");
  refused(laminaRun({model_.file("none"), "--prompt", "a"}), 1, "No such file");
  writeFile(model_.file("text"), "hello");
  refused(laminaRun({model_.file("text"), "--prompt", "a"}), 1, "neither an artifact");
  refused(
      run({"--prompt", "a", "--max-context", "200"}), 1,
      "is compiled already, so --max-context=200 comes too late; give the model that it was compiled from");
  refused(laminaRun({model_.gguf(), "--tokenize", "--prompt", "a", "--dim", "a=1"}), 1,
          "--dim and --constant are of ONNX models");
}

TEST_F(LaminaRun, ADeadWorkerEndsTheRunAndIsNamed) {
  // Under AddressSanitizer the worker would otherwise report its crash as well.
  Outcome outcome =
      runProgram(LAMINA_RUN_PROGRAM, {model_.artifact(), "--prompt", "abc", "-n", "9", "--output=json"}, "",
                 {{"ASAN_OPTIONS", "handle_segv=0"}});
  refused(outcome, 1, "worker memory0");
  EXPECT_THAT(outcome.err, StartsWith("lamina-run: error: "));
}

TEST_F(LaminaRun, AWrongCommandLineIsExitStatusTwo) {
  for (std::vector<std::string> arguments :
       std::vector<std::vector<std::string>>{{},
                                             {"--prompt"},
                                             {"--prompt", "a", "--prompt-file", "b"},
                                             {"--prompt", "a", "-n", "-2"},
                                             {"--prompt", "a", "-n", "many"},
                                             {"--prompt", "a", "--top-p", "2"},
                                             {"--prompt", "a", "--output", "xml"},
                                             {"--prompt", "a", "--unknown"},
                                             {"--prompt-tokens", "1,,2"},
                                             {"--prompt-tokens", "1,2", "--chat"},
                                             {"--prompt-tokens", ""},
                                             {"--prompt", "a", "--system", "b"},
                                             {"--prompt-file", "a", "--logits-out", "b"},
                                             {"--prompt", "a", "--seed=-1"},
                                             {"--prompt", "a", "--seed=18446744073709551616"},
                                             {"--prompt", "a", "--seed=1x"},
                                             {"--prompt", "a", "--threads=1025"},
                                             {"--prompt", "a", "--threads=-1"},
                                             {"--prompt", "a", "--stop", ""},
                                             {"--check", "--prompt", "a"},
                                             {"--check", "--stats"},
                                             {"--describe", "--max-tokens", "3"},
                                             {"--describe", "--inproc"},
                                             {"--tokenize", "--prompt", "a", "--chat"},
                                             {"--tokenize", "--prompt-tokens", "1"},
                                             {"--tokenize", "--prompt", "a", "--seed", "1"},
                                             {"--prompt", "a", "--max-context", "15"},
                                             {"--tokenize", "--prompt", "a", "--max-context", "16"},
                                             {"--perplexity", "a", "--prompt", "b"},
                                             {"--perplexity", "a", "--chat"},
                                             {"--perplexity", "a", "-n", "3"},
                                             {"--perplexity", "a", "--output-dir", "b"},
                                             {"--describe", "--check"}}) {
    Outcome outcome = run(arguments);
    EXPECT_EQ(outcome.status, 2) << testing::PrintToString(arguments);
    EXPECT_THAT(outcome.err, testing::MatchesRegex("lamina-run: [^\n]+; see lamina-run --help\n"));
    EXPECT_EQ(outcome.out, "");
  }
  EXPECT_THAT(run({"--check", "--trace", "x"}).err,
              StartsWith("lamina-run: --trace does nothing with --check;"));
  EXPECT_THAT(run({"--perplexity", "x", "--temperature", "1"}).err,
              StartsWith("lamina-run: --temperature does nothing with --perplexity;"));
  EXPECT_THAT(run({"--promt", "a", "-n", "1"}).err, StartsWith("lamina-run: there is no option '--promt';"));
  EXPECT_THAT(run({"--prompt", "a", "-ngl"}).err,
              HasSubstr("expected a whole number from -1 to 9223372036854775807, got 'gl'"));
  EXPECT_THAT(run({"--prompt", "a", "--threads", "two"}).err,
              HasSubstr("expected a whole number from 0 to 1024, got 'two'"));
  EXPECT_THAT(run({"a", "b"}).err, StartsWith("lamina-run: 'a' is one argument too many;"));
  EXPECT_THAT(laminaRun({}).err, StartsWith("lamina-run: nothing to run: give MODEL"));
  EXPECT_EQ(run({"--prompt", kFifteen, "-n", "1", "--temp=1", "--seed=18446744073709551615"}).status, 0);
  EXPECT_EQ(laminaRun({}).status, 2);
  EXPECT_EQ(laminaRun({"--help"}).status, 0);
  EXPECT_EQ(laminaRun({"-m", model_.artifact(), "-p", kFifteen, "-n", "1", "--temp", "0", "-t", "1"}).out,
            run({"--prompt", kFifteen, "-n", "1"}).out);
  EXPECT_THAT(laminaRun({"--version"}).out, StartsWith("lamina-run "));
}

TEST(LaminaRunDescribe, AWorkerOfNoClass) {
  TestModel model("cpu", [](plan::Plan &plan) { plan.mutable_workers(1)->set_device_class(UINT32_MAX); });
  Outcome outcome = laminaRun({model.artifact(), "--describe"});
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_THAT(outcome.out, testing::ContainsRegex("memory0 +\\? +\\?"));
  EXPECT_EQ(laminaRun({model.artifact(), "--describe", "--output=json"}).status, 0);
  EXPECT_EQ(laminaRun({model.artifact(), "--check"}).status, 1);
}

TEST(LaminaRunDescribe, ANameCannotReachTheTerminal) {
  TestModel model("cpu", [](plan::Plan &plan) {
    plan.mutable_workers(1)->set_name("mem\x1b[2J");
    plan.mutable_model()->set_name("te\nst");
  });
  Outcome outcome = laminaRun({model.artifact(), "--describe"});
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_THAT(outcome.out, StartsWith("te\\nst (llama)"));
  EXPECT_THAT(outcome.out, HasSubstr("compute0 -> mem\\x1b[2J: "));
  EXPECT_THAT(outcome.out, testing::Not(HasSubstr("\x1b")));
}

TEST(LaminaRunCheck, AWorkerForAnotherKindOfDeviceCannotRun) {
  TestModel model("abacus");
  Outcome outcome = laminaRun({model.artifact(), "--check"});
  EXPECT_EQ(outcome.status, 1);
  EXPECT_EQ(outcome.out, "");
  EXPECT_EQ(outcome.err,
            "lamina-run: error: worker 'memory0': this runtime has no device of kind \"abacus\"; "
            "compile for a cluster of cpu or cuda devices\n");
}

TEST(LaminaRunCheck, WithoutADriverOneLineSaysSo) {
  TestModel model("cuda");
  std::map<std::string, std::string> environment = {{"LAMINA_CUDA_DRIVER", "libno-such-driver.so"}};
  const char *kEnd =
      "no CUDA device was found (libno-such-driver.so: cannot open shared object file: No such file "
      "or directory); install NVIDIA's driver on a machine with a GPU, or compile the model for cpu "
      "devices\n";
  Outcome outcome = runProgram(LAMINA_RUN_PROGRAM, {model.artifact(), "--check"}, "", environment);
  EXPECT_EQ(outcome.status, 1);
  EXPECT_EQ(outcome.err, std::string("lamina-run: error: worker 'memory0': ") + kEnd);
  for (std::vector<std::string> extra : {std::vector<std::string>{}, {"--inproc"}}) {
    std::vector<std::string> arguments = {model.artifact(), "--prompt", "1", "-n", "1"};
    arguments.insert(arguments.end(), extra.begin(), extra.end());
    outcome = runProgram(LAMINA_RUN_PROGRAM, arguments, "", environment);
    EXPECT_EQ(outcome.status, 1);
    EXPECT_EQ(outcome.out, "");
    EXPECT_EQ(outcome.err, std::string("lamina-run: error: worker memory0: ") + kEnd);
  }
}

/// The driver of the simulator is opened as any other.
TEST(LaminaRunCheck, RunsOnTheSimulatedGpu) {
  TestModel cpu, cuda("cuda");
  std::map<std::string, std::string> environment = {{"LAMINA_CUDA_DRIVER", LAMINA_CUDA_SIM}};
  Outcome outcome = runProgram(LAMINA_RUN_PROGRAM, {cuda.artifact(), "--check"}, "", environment);
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr(", sim"));
  for (std::vector<std::string> extra : {std::vector<std::string>{}, {"--inproc"}}) {
    auto run = [&](const TestModel &model) {
      std::vector<std::string> arguments = {model.artifact(), "--prompt", "abc", "-n", "1"};
      arguments.insert(arguments.end(), extra.begin(), extra.end());
      Outcome outcome = runProgram(LAMINA_RUN_PROGRAM, arguments, "", environment);
      EXPECT_EQ(outcome.status, 0) << outcome.err;
      return outcome.out;
    };
    EXPECT_EQ(run(cuda), run(cpu));
  }
}

/// A stack that is larger than any address space stands for a system that has no more threads to give.
TEST_F(LaminaRun, AThreadThatCannotBeStartedIsAnErrorOfOneLine) {
  auto limited = [&](std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), {"-c", "ulimit -s 1000000000000 || exit 77; exec \"$@\"", "sh",
                                         LAMINA_RUN_PROGRAM, model_.artifact()});
    return runProgram("/bin/sh", arguments);
  };
  Outcome outcome = limited({"--check"});
  if (outcome.status == 77)
    GTEST_SKIP() << "skipped: the limit of the stack cannot be raised";
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  refused(limited({"--prompt", kFifteen, "-n", "1", "--threads", "2"}), 1, "cannot start 2 threads: ");
  refused(limited({"--prompt", kFifteen, "-n", "1", "--threads", "2", "--inproc"}), 1,
          "cannot start a thread for a worker: ");
}

} // namespace
} // namespace lamina::test
