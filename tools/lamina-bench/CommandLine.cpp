//===- CommandLine.cpp - lamina-bench's command line --------------------------------------------------===//

#include "runtime/base/Affinity.h"
#include "runtime/device/cpu/ThreadPool.h"
#include "tools/common/CommandLineError.h"
#include "tools/lamina-bench/Options.h"
#include "tools/lamina-bench/Ranges.h"

#include <CLI/CLI.hpp>

#include <algorithm>
#include <iostream>
#include <map>

namespace lamina::bench {
namespace {

constexpr char kDescription[] =
    "Measures how fast a compiled model runs, with the tests, the output and the field names of llama-bench.";

constexpr char kFooter[] =
    R"(MODEL is an artifact (NAME.lamina), or a GGUF or ONNX file or the folder of an export, which lamina-opt compiles into a
cache first, with a context that is long enough for the tests.

-p, -n, -d, -t, --npp, --ntg and --npl take lists (128,512) and ranges (128-512+128, 1-32*2).

-p measures pp512: a prompt of 512 tokens, logits of the last alone. -n measures tg128: 128 tokens one after another.
Both begin in an empty cache, or with -d behind that many tokens that are not timed. Tokens are random; nothing is
sampled. --npl measures what llama-batched-bench does, once each, instead of the default pp512 and tg128.

Exit status: 0 success, 1 a failed run, 2 a wrong command line.)";

constexpr char kProgram[] = "lamina-bench";

/// llama-bench's and llama-batched-bench's options of several letters behind one dash.
std::string spelledOut(const std::string &word) {
  static const std::map<std::string, std::string> known = {
      {"-pg", "--pg"}, {"-oe", "--output-err"}, {"-npp", "--npp"}, {"-ntg", "--ntg"}, {"-npl", "--npl"}};
  auto found = known.find(word);
  return found == known.end() ? word : found->second;
}

const std::map<std::string, Format> kFormats = {{"none", Format::None},
                                                {"md", Format::Markdown},
                                                {"csv", Format::Csv},
                                                {"json", Format::Json},
                                                {"jsonl", Format::JsonLines}};

/// The options as written; finish() makes tests of them and returns what is wrong, empty if nothing.
struct Parser {
  BenchOptions options;
  std::string prompts = "512", generates = "128", depths = "0", threads;
  std::string batchedPrompts = "128", batchedGenerates = "128", batchedSequences;
  std::vector<std::string> pairs;
  std::string output = "md", errorOutput = "none";
  bool noWarmUp = false, noFill = false;

  void addTests(CLI::App &app) {
    app.add_option("-p,--n-prompt", prompts, "Prompt tokens (default 512); 0: no such test")->type_name("N");
    app.add_option("-n,--n-gen", generates, "Generated tokens (default 128); 0: no such test")
        ->type_name("N");
    app.add_option("--pg", pairs, "A prompt and then generation, timed together; also written -pg")
        ->expected(1)
        ->take_all()
        ->type_name("PP,TG");
    app.add_option("-d,--n-depth", depths, "Tokens in the cache before a test begins (default 0)")
        ->type_name("N");
    app.add_option("--npl", batchedSequences, "Sequences that decode together")->type_name("N");
    app.add_option("--npp", batchedPrompts, "Prompt tokens of each of them (default 128)")->type_name("N");
    app.add_option("--ntg", batchedGenerates, "Tokens that each of them generates (default 128)")
        ->type_name("N");
    app.add_option("-r,--repetitions", options.repetitions, "How often each test runs (default 5)")
        ->type_name("N")
        ->check(CLI::Range(1, 1000000).description(""));
    app.add_flag("--no-warmup", noWarmUp, "Do not run a test once before it is timed");
    app.add_flag(
        "--no-fill", noFill,
        "Do not compute what a test finds in the cache (-d, the prompts of --npl), only touch its memory");
    app.add_flag(
        "--kernels", options.kernels,
        "Instead of tests time each kernel of a step with --npl tokens (default 1), each behind --npp "
        "others");
  }

  void addExecution(CLI::App &app) {
    app.add_option("-t,--threads", threads, "Threads of each worker (default: one per CPU)")->type_name("N");
    app.add_flag("--inproc", options.inProcess,
                 "Run the workers in this process; those on CPUs have the same threads");
    app.add_flag("--progress", options.progress, "Say on standard error which test runs");
    app.add_option(
           "--trace", options.traceFile,
           "Write what the workers did when as Chrome trace events; a GPU then takes instructions one by one")
        ->type_name("FILE");
  }

  void addOutput(CLI::App &app) {
    app.add_option("-o,--output", output,
                   "md (default), csv, json, jsonl or none; with --probe the cluster file")
        ->type_name("FORM");
    app.add_option("--output-err", errorOutput,
                   "The same, on standard error (default none); also written -oe")
        ->type_name("FORM");
  }

  void addProbe(CLI::App &app) {
    app.add_flag("--probe", options.probe,
                 "Measure this machine: read bandwidth, multiply-adds, transport; -o FILE writes a cluster "
                 "file for lamina-opt");
    app.add_flag("--cuda", options.cuda,
                 "Measure this machine's GPU: its memory, copies from and to the host, launches, products");
  }

  /// A list of numbers, each in [least, most].
  static std::string parseList(const char *flag, const std::string &text, int64_t least, int64_t most,
                               std::vector<int64_t> &numbers) {
    std::optional<std::vector<int64_t>> parsed = parseRanges(text);
    bool good = parsed.has_value();
    for (size_t i = 0; good && i < parsed->size(); ++i)
      good = (*parsed)[i] >= least && (*parsed)[i] <= most;
    if (good)
      numbers = *std::move(parsed);
    return good ? ""
                : std::string(flag) + ": expected up to " + std::to_string(kMostNumbers) + " numbers from " +
                      std::to_string(least) + " to " + std::to_string(most) +
                      " such as 128,512 or 128-512+128, got '" + text + "'";
  }

  /// What is wrong with that many tests, empty if nothing.
  static std::string checkCount(int64_t count) {
    return count <= kMostNumbers ? ""
                                 : "these lists make " + std::to_string(count) + " tests, expected up to " +
                                       std::to_string(kMostNumbers);
  }

  std::string parsePairs(std::vector<TestSpec> &tests) const {
    for (const std::string &text : pairs) {
      std::optional<std::vector<int64_t>> numbers = parseRanges(text);
      if (!numbers || numbers->size() != 2 || (*numbers)[0] + (*numbers)[1] == 0)
        return "-pg: expected two numbers such as 512,128, got '" + text + "'";
      tests.push_back({.prompt = (*numbers)[0], .generate = (*numbers)[1]});
    }
    return "";
  }

  /// The tests in llama-bench's order.
  std::string makeTests(const CLI::App &app) {
    constexpr int64_t kMost = 1 << 24;
    std::vector<int64_t> n;
    std::vector<TestSpec> tests;
    // --npl replaces tests that nobody asked for.
    bool batchedOnly = !batchedSequences.empty() || options.kernels;
    if (!batchedOnly || app.count("--n-prompt")) {
      if (std::string problem = parseList("--n-prompt", prompts, 0, kMost, n); !problem.empty())
        return problem;
      for (int64_t prompt : n)
        tests.push_back({.prompt = prompt});
    }
    if (!batchedOnly || app.count("--n-gen")) {
      if (std::string problem = parseList("--n-gen", generates, 0, kMost, n); !problem.empty())
        return problem;
      for (int64_t generate : n)
        tests.push_back({.generate = generate});
    }
    if (std::string problem = parsePairs(tests); !problem.empty())
      return problem;
    if (std::string problem = parseList("--n-depth", depths, 0, kMost, n); !problem.empty())
      return problem;
    std::erase_if(tests, [](const TestSpec &test) { return test.tokens() == 0; });
    if (std::string problem = checkCount(std::ssize(n) * std::ssize(tests)); !problem.empty())
      return problem;
    for (int64_t depth : n)
      for (TestSpec &test : tests) {
        test.depth = depth;
        options.tests.push_back(test);
      }
    if (options.tests.empty() && app.count("--n-depth"))
      return "--n-depth is how far behind --n-prompt and --n-gen begin; --npl begins behind --npp";
    return makeBatchedTests(app);
  }

  std::string makeBatchedTests(const CLI::App &app) {
    constexpr int64_t kMost = 1 << 24;
    std::vector<int64_t> prompt, generate, sequences;
    if (batchedSequences.empty()) {
      for (const char *option : {"--npp", "--ntg"})
        if (app.count(option))
          return std::string(option) + " is of sequences together; give --npl too";
      return "";
    }
    for (std::string problem : {parseList("--npp", batchedPrompts, 1, kMost, prompt),
                                parseList("--ntg", batchedGenerates, 1, kMost, generate),
                                parseList("--npl", batchedSequences, 1, 4096, sequences)})
      if (!problem.empty())
        return problem;
    if (std::string problem = checkCount(std::ssize(prompt) * std::ssize(generate) * std::ssize(sequences));
        !problem.empty())
      return problem;
    for (int64_t pp : prompt)
      for (int64_t tg : generate)
        for (int64_t pl : sequences)
          options.batched.push_back({pp, tg, pl});
    return "";
  }

  /// A step has one token of each sequence. What is wrong with the other options, empty if nothing.
  std::string checkKernels(const CLI::App &app) {
    if (!options.kernels)
      return "";
    for (const char *option :
         {"--n-prompt", "--n-gen", "--pg", "--n-depth", "--ntg", "--repetitions", "--no-warmup", "--no-fill",
          "--inproc", "--progress", "--trace", "--output-err"})
      if (app.count(option))
        return std::string("--kernels times single steps of --npl and --npp and takes no ") + option;
    if (options.threads.size() != 1)
      return "--kernels takes one number of --threads, got '" + threads + "'";
    if (output != "md" && output != "jsonl")
      return "--kernels prints md or jsonl, got '" + output + "'";
    batchedGenerates = "1";
    if (batchedSequences.empty())
      batchedSequences = "1";
    return "";
  }

  std::string finish(const CLI::App &app) {
    std::vector<int64_t> counts = {std::max<int64_t>(1, std::ssize(availableCpus()))};
    if (!threads.empty())
      if (std::string problem = parseList("--threads", threads, 1, ThreadPool::kMaxThreads, counts);
          !problem.empty())
        return problem;
    options.threads.assign(counts.begin(), counts.end());
    if (!options.traceFile.empty() && options.threads.size() != 1)
      return "--trace takes one number of --threads, got '" + threads + "'";
    options.warmUp = !noWarmUp;
    options.fill = !noFill;
    if (std::string problem = checkKernels(app); !problem.empty())
      return problem;
    if (options.cuda) {
      if (!options.model.empty() || options.probe)
        return "--cuda measures the GPU alone and takes neither a model nor --probe";
      return "";
    }
    if (options.probe) {
      if (!options.model.empty())
        return "--probe measures the machine and takes no model, got '" + options.model + "'";
      options.clusterFile = app.count("--output") ? output : "";
      return "";
    }
    if (options.model.empty())
      return "nothing to measure: give MODEL, --probe or --cuda";
    for (const std::string &form : {output, errorOutput})
      if (!kFormats.contains(form))
        return "--output: expected md, csv, json, jsonl or none, got '" + form + "'";
    options.output = kFormats.at(output);
    options.errorOutput = kFormats.at(errorOutput);
    if (std::string problem = makeTests(app); !problem.empty())
      return problem;
    if (options.tests.empty() && options.batched.empty())
      return "no test is left: -p, -n and -pg are all 0";
    return checkCount((std::ssize(options.tests) + std::ssize(options.batched)) *
                      std::ssize(options.threads));
  }
};

} // namespace

ParsedCommandLine parseCommandLine(int argc, const char *const *argv) {
  CLI::App app(kDescription, kProgram);
  app.footer(kFooter);
  app.set_version_flag("--version", "lamina-bench " LAMINA_VERSION);
  Parser parser;
  app.add_option("-m,--model,MODEL", parser.options.model, "An artifact or a GGUF file")->type_name("");
  // Options added from here on stand under this heading of --help.
  auto heading = [&](const char *text) { app.option_defaults()->group(text); };
  heading("Tests");
  parser.addTests(app);
  heading("Execution");
  parser.addExecution(app);
  heading("Output");
  parser.addOutput(app);
  heading("Instead of testing a model");
  parser.addProbe(app);
  std::vector<std::string> words; // last first, as CLI11 takes them
  for (int i = argc - 1; i > 0; --i)
    words.push_back(spelledOut(argv[i]));
  std::string problem;
  try { // CLI11 reports by exception
    app.parse(std::move(words));
    problem = parser.finish(app);
  } catch (const CLI::ParseError &error) {
    if (error.get_exit_code() == 0)
      return {std::nullopt, app.exit(error)};
    problem = commandLineError(app, error);
  }
  if (problem.empty())
    return {std::move(parser.options), 0};
  std::cerr << kProgram << ": " << problem << "; see " << kProgram << " --help\n";
  return {std::nullopt, 2};
}

} // namespace lamina::bench
