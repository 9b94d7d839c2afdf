//===- CompileCacheTest.cpp - models that lamina-run compiles first -------------------------------------------===//

#include "LaminaRun.h"

#include <filesystem>

namespace lamina::test {
namespace {

/// A copy of lamina-run beside a compiler that only copies what was compiled already.
class CompileCache : public LaminaRun {
protected:
  CompileCache() { std::filesystem::copy_file(LAMINA_RUN_PROGRAM, program_); }

  /// Another script is another compiler: what the one before has made does not count.
  void install(const std::string &script) {
    std::string compiler = model_.file("lamina-opt");
    writeFile(compiler, "#!/bin/sh\n" + script + "\n");
    std::filesystem::permissions(compiler, std::filesystem::perms::owner_all);
  }

  Outcome run(const std::vector<std::string> &more = {}) {
    std::vector<std::string> arguments = arguments_;
    arguments.insert(arguments.end(), more.begin(), more.end());
    return runProgram(program_, arguments, "", environment_);
  }

  /// The same command line as `"$@"` of a shell's.
  Outcome shell(const std::string &command) {
    std::vector<std::string> arguments = {"-c", command, "sh", program_};
    arguments.insert(arguments.end(), arguments_.begin(), arguments_.end());
    return runProgram("/bin/sh", arguments, "", environment_);
  }

  /// Of six processes side by side, behind a command.
  void expectOneCompilation(const std::string &before = "") {
    writeFile(calls_, "");
    Outcome outcome = shell(before + "for i in 1 2 3 4 5 6; do \"$@\" & done; wait");
    std::sort(outcome.out.begin(), outcome.out.end()); // all write as it comes
    EXPECT_EQ(outcome.out, std::string(6, '\n') + std::string(12, 'm')) << outcome.err;
    EXPECT_EQ(readFile(calls_), "call\n") << "the others wait for what one compiles";
  }

  /// The artifact in the cache.
  std::string cached() {
    for (const auto &entry : std::filesystem::directory_iterator(model_.file("cache") + "/lamina"))
      if (entry.is_directory()) // the rest are digests of models, and locks
        return entry.path();
    ADD_FAILURE() << "nothing is in the cache";
    return "";
  }

  const std::string program_ = model_.file("lamina-run");
  // Nothing is seen of an artifact before it is whole, as lamina-opt makes it.
  const std::string copy_ = "cp -r '" + model_.artifact() + "' \"$3.part\" && mv \"$3.part\" \"$3\"";
  const std::string calls_ = model_.file("calls");
  const std::string slowCopy_ = "echo call >> '" + calls_ + "'; sleep 0.5; " + copy_;
  const std::map<std::string, std::string> environment_ = {{"XDG_CACHE_HOME", model_.file("cache")},
                                                           {"PATH", "/usr/bin:/bin"}};
  const std::vector<std::string> arguments_ = {model_.gguf(), "--prompt", kFifteen, "-n", "2"};
};

TEST_F(CompileCache, HoldsAModelThatIsCompiledOnce) {
  refused(run(), 1, "lamina-opt is neither beside this program nor in PATH");
  install("echo compiling; test \"$2\" = -o && " + copy_);
  Outcome outcome = run();
  EXPECT_EQ(outcome.out, "mm\n") << outcome.err;
  EXPECT_THAT(outcome.err, HasSubstr("compiling")); // not on standard output
  outcome = run();
  EXPECT_EQ(outcome.out, "mm\n");
  EXPECT_EQ(outcome.err, "");
}

TEST_F(CompileCache, AContextIsCompiledInto) {
  install("echo compiling; test \"$4\" = --max-context=5001 && " + copy_);
  Outcome outcome = run({"--max-context", "5001"});
  EXPECT_EQ(outcome.out, "mm\n") << outcome.err;
  EXPECT_EQ(run({"--max-context=5001"}).err, "");
  EXPECT_THAT(run({"--max-context=64"}).err, HasSubstr("compiling")) << "another context is another artifact";
}

TEST_F(CompileCache, WhatIsDamagedInItIsCompiledAgain) {
  install("echo compiling; " + copy_);
  run();
  for (const char *file : {"/weights/compute0.bin", "/plan.pb", "/manifest.json"}) {
    writeFile(cached() + file, "damaged");
    Outcome outcome = run();
    EXPECT_EQ(outcome.out, "mm\n") << file << outcome.err;
    EXPECT_THAT(outcome.err, HasSubstr("compiling"));
    EXPECT_EQ(run().err, "") << "compiled again and again";
  }
  install("echo compiling; " + copy_ + "; echo broken > \"$3/plan.pb\"");
  Outcome outcome = run();
  EXPECT_EQ(outcome.status, 1);
  EXPECT_THAT(outcome.err, HasSubstr("plan.pb"));
}

TEST_F(CompileCache, ProcessesSideBySideCompileOnce) {
  install(slowCopy_);
  expectOneCompilation();
}

TEST_F(CompileCache, ProcessesThatFindTheSameDamageCompileOnce) {
  install(slowCopy_);
  run();
  std::string plan = cached() + "/plan.pb", bytes = readFile(plan);
  bytes[0] ^= 1; // of the same length, so that all is read before it shows
  writeFile(plan, bytes);
  // All wait for the lock, so that some have opened what is damaged before one makes another.
  std::string lock = std::filesystem::path(cached()).replace_extension(".lock");
  expectOneCompilation("flock '" + lock + "' sleep 1 & sleep 0.3; ");
}

TEST_F(CompileCache, OneThatWaitsForAnotherSaysSo) {
  if (!canMakeTerminals())
    GTEST_SKIP() << "skipped: no terminals can be made here";
  std::string began = model_.file("began"), said = model_.file("said");
  auto await = [](const std::string &condition) {
    return "for i in $(seq 600); do " + condition + " && break; sleep 0.1; done; ";
  };
  install("touch '" + began + "'; " + await("grep -q waiting '" + said + "'") + copy_);
  // script gives the second a terminal.
  Outcome outcome = shell("\"$@\" & " + await("test -e '" + began + "'") +
                          "script -qfec \"$*\" /dev/null > '" + said + "'; wait $!");
  EXPECT_EQ(outcome.out, "mm\n") << outcome.err;
  EXPECT_THAT(readFile(said), HasSubstr("waiting for another process that compiles " + model_.gguf()));
}

TEST_F(CompileCache, ACompilerThatFailsHasSaidWhy) {
  install("echo 'model.gguf: no tensor token_embd.weight' >&2; exit 1");
  Outcome outcome = run();
  EXPECT_EQ(outcome.status, 1);
  EXPECT_THAT(outcome.err, testing::StartsWith("model.gguf: no tensor"));
  install("kill -INT $$");
  EXPECT_EQ(run().status, 130);
  install("exit 130"); // as lamina-opt ends once it has cleaned up
  EXPECT_EQ(run().status, 130);
}

} // namespace
} // namespace lamina::test
