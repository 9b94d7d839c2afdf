//===- Options.h - lamina-bench's command line as data --------------------------------------*- C++ -*-===//

#ifndef LAMINA_TOOLS_LAMINA_BENCH_OPTIONS_H
#define LAMINA_TOOLS_LAMINA_BENCH_OPTIONS_H

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace lamina::bench {

/// As llama-bench: the time for `prompt` tokens and then `generate` single ones, behind `depth` tokens that
/// are not timed.
struct TestSpec {
  int64_t prompt = 0;
  int64_t generate = 0;
  int64_t depth = 0;

  int64_t tokens() const { return prompt + generate; }
  int64_t context() const { return depth + tokens(); }
  /// "pp512", "tg128 @ d4096", "pp512+tg128".
  std::string name() const;
};

/// As llama-batched-bench: `sequences` prompts, then all of them decode together.
struct BatchedSpec {
  int64_t prompt = 0;
  int64_t generate = 0;
  int64_t sequences = 0;

  int64_t tokensEach() const { return prompt + generate; }
};

enum class Format { None, Markdown, Csv, Json, JsonLines };

struct BenchOptions {
  std::string model; ///< an artifact, or a GGUF file to compile first
  std::vector<TestSpec> tests;
  std::vector<BatchedSpec> batched;
  std::vector<int> threads; ///< at least one; each is a run of all tests
  int repetitions = 5;
  bool warmUp = true;
  bool fill = true;     ///< compute what lies in the cache before what is timed
  bool kernels = false; ///< time the kernels of `batched` tests' steps instead
  bool progress = false;
  bool inProcess = false;
  std::string traceFile; ///< empty: none
  Format output = Format::Markdown;
  Format errorOutput = Format::None;

  bool cuda = false; ///< measure the GPU
  bool probe = false;
  std::string clusterFile; ///< of --probe; empty: none
};

/// The options, or an exit status because help was printed (0) or the command line is wrong (2, said on
/// stderr).
struct ParsedCommandLine {
  std::optional<BenchOptions> options;
  int exitStatus = 0;
};
ParsedCommandLine parseCommandLine(int argc, const char *const *argv);

} // namespace lamina::bench

#endif // LAMINA_TOOLS_LAMINA_BENCH_OPTIONS_H
