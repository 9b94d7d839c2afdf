//===- CommandLine.cpp - lamina-run's command line ----------------------------------------------------===//

#include "runtime/base/StrCat.h"
#include "runtime/device/cpu/ThreadPool.h"
#include "tools/common/Assignment.h"
#include "tools/common/CommandLineError.h"
#include "tools/lamina-run/Options.h"

#include <CLI/CLI.hpp>

#include <charconv>
#include <limits>
#include <set>
#include <string_view>

namespace lamina::run {
namespace {

constexpr char kDescription[] = "Runs a model that lamina-opt compiled: generates text, chats, measures "
                                "perplexity, computes tensors, describes and checks.";

constexpr char kFooter[] =
    R"(MODEL is an artifact (NAME.lamina), or a GGUF or ONNX file or the folder of an export, which lamina-opt compiles into a
cache first ($XDG_CACHE_HOME/lamina or ~/.cache/lamina), with what --dim, --constant and --max-context give.

Generated text goes to standard output, everything else to standard error. With --prompt-file every line is a prompt;
all are generated together, and printed in the order of the file (--output=json: one object a line).

--perplexity cuts the tokenised file into windows of --context-size tokens that do not overlap and each begin with bos,
where the vocabulary asks for bos (it counts towards the window). In a window every token but the first is predicted
from all before it, and every prediction counts.

A model that computes outputs from inputs runs once: --input gives each of its tensors, --output-dir is where results go. Element
types that NumPy lacks are raw bytes, as the ml_dtypes package stores them.

lamina-run --batch FILE runs the command lines in a file, one a line, one after the other in one process; the status is that of
the worst.

Exit status: 0 success, 1 a failed run, 2 a wrong command line, 130 interrupted by Ctrl-C.)";

/// CLI11 itself wraps numbers beyond the type around, and calls a word a number out of range.
template <typename T> CLI::Validator wholeNumber(T least, T most = std::numeric_limits<T>::max()) {
  auto problem = [=](const std::string &text) -> std::string {
    T value{};
    auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    bool whole = error == std::errc() && end == text.data() + text.size();
    if (whole && value >= least && value <= most)
      return "";
    return strCat("expected a whole number from ", least, " to ", most, ", got '", text, "'");
  };
  return CLI::Validator(problem, "");
}

std::string stopProblem(const std::string &text) {
  return text.empty() ? "expected a text to stop before, got none" : "";
}

bool parseTokens(const std::string &text, std::vector<int32_t> &tokens) {
  std::string_view rest = text;
  while (true) {
    while (rest.starts_with(' '))
      rest.remove_prefix(1);
    int32_t token;
    auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), token);
    if (error != std::errc())
      return false;
    tokens.push_back(token);
    rest.remove_prefix(static_cast<size_t>(end - rest.data()));
    while (rest.starts_with(' '))
      rest.remove_prefix(1);
    if (rest.empty())
      return true;
    if (!rest.starts_with(','))
      return false;
    rest.remove_prefix(1);
  }
}

/// The options object and what does not fit into it directly.
struct Parser {
  RunOptions options;
  std::string promptTokens;
  std::string output = "text";
  bool describe = false, check = false, tokenize = false;

  void addPrompts(CLI::App &app) {
    app.add_option("-p,--prompt", options.prompt,
                   "Text to continue, - for all of standard input; with --chat the user's message")
        ->type_name("TEXT");
    app.add_option("--prompt-file", options.promptFile, "A file with one prompt a line, - for standard input")
        ->type_name("FILE");
    app.add_option("--prompt-tokens", promptTokens, "Token ids, used as they are: 1,2,3")->type_name("IDS");
    app.add_flag("--chat", options.chat,
                 "Use the model's chat template; without a prompt, talk to it line by line");
    app.add_option("--system", options.system, "System message of a chat")->type_name("TEXT");
    app.add_flag("--no-bos", options.noBos, "Do not put bos in front of text prompts");
  }

  void addFunction(CLI::App &app) {
    app.add_option("--input", options.inputs,
                   "A tensor of a model without tokens; once for each of its inputs")
        ->expected(1)
        ->take_all()
        ->type_name("NAME=FILE.npy");
    app.add_option("--output-dir", options.outputFolder, "The folder where each output becomes NAME.npy")
        ->type_name("DIR");
  }

  void addCompilation(CLI::App &app) {
    addAssignments(app, "--dim", "NAME=N",
                   "Of an ONNX model: a number for a size that the file gives a name; may be repeated",
                   [this](const Assignment &given) {
                     options.compileFlags.push_back("--dim=" + given.name + "=" + given.value);
                     return parseSize(given.value).has_value();
                   });
    addAssignments(
        app, "--constant", "NAME=FILE.npy",
        "Of an ONNX model without a cache: the file of an input that becomes a constant; may be repeated",
        [this](const Assignment &given) {
          options.compileFlags.push_back("--constant=" + given.name + "=" + given.value);
          options.flagFiles.push_back(given.value);
          return true;
        });
    app.add_option_function<int64_t>(
           "--max-context",
           [this](int64_t tokens) { options.compileFlags.push_back(strCat("--max-context=", tokens)); },
           "Tokens of one sequence at most (default: the model's, up to 4096)")
        ->type_name("N")
        ->check(wholeNumber<int64_t>(16, 1 << 24));
  }

  void addGeneration(CLI::App &app) {
    app.add_option("-n,--max-tokens", options.maxTokens,
                   "Tokens to generate (default 128, with --chat no limit); -1: until the model stops")
        ->type_name("N")
        ->check(wholeNumber<int64_t>(-1));
    app.add_option("--temperature,--temp", options.sampling.temperature,
                   "0 (default): always the most probable token. What is not given of sampling is as the "
                   "model says, else the default")
        ->type_name("T");
    app.add_option("--top-k", options.sampling.topK,
                   "Choose among the K most probable tokens; 0 (default): all")
        ->type_name("K");
    app.add_option("--top-p", options.sampling.topP,
                   "Choose among the most probable tokens that make up P; 1 (default): all")
        ->type_name("P");
    app.add_option("--min-p", options.sampling.minP,
                   "Drop tokens less probable than P times the best; 0 (default): none")
        ->type_name("P");
    app.add_option("--repetition-penalty", options.sampling.repetitionPenalty,
                   "Above 1: avoid recent tokens; 1 (default): do not")
        ->type_name("R");
    app.add_option("--repetition-window", options.sampling.repetitionWindow,
                   "How many tokens are recent (default 64)")
        ->type_name("N");
    app.add_option("--seed", options.sampling.seed, "Same seed, same text (default 0)")
        ->type_name("S")
        ->check(wholeNumber<uint64_t>(0));
    app.add_option("--stop", options.stops, "End before this text appears; may be given several times")
        ->expected(1)
        ->take_all()
        ->type_name("TEXT")
        ->check(CLI::Validator(stopProblem, ""));
    app.add_flag("--ignore-eos", options.ignoreEndOfText, "Go on when the model says that it is done");
  }

  void addExecution(CLI::App &app) {
    app.add_option("-t,--threads", options.threads,
                   "Threads of each worker; 0 (default): one per CPU that the process may use")
        ->type_name("N")
        ->check(wholeNumber<int>(0, ThreadPool::kMaxThreads));
    app.add_flag("--inproc", options.inProcess,
                 "Run the workers in this process; those on CPUs have the same threads");
    app.add_option("--prefill-chunk", options.prefillChunk,
                   "Prompt tokens of one request per step at most; 0: as many as fit")
        ->type_name("N")
        ->check(wholeNumber<int64_t>(0));
  }

  void addOutput(CLI::App &app) {
    app.add_option("--output", output, "text (default) or json")
        ->type_name("FORM")
        ->check(CLI::IsMember({"text", "json"}).description(""));
    app.add_option("--logits-out", options.logitsFile,
                   "Write the prompt's logits: float32 [tokens, vocabulary]")
        ->type_name("FILE.npy");
    app.add_option("--trace", options.traceFile,
                   "Write what each worker did when, for chrome://tracing or Perfetto")
        ->type_name("FILE.json");
    app.add_flag("--stats", options.stats, "Say where the time went");
  }

  void addActions(CLI::App &app) {
    app.add_option("--perplexity", options.perplexityFile, "Measure how well the model predicts a text")
        ->type_name("FILE");
    app.add_option("--context-size", options.contextSize,
                   "Window of --perplexity in tokens (default: 512 or the context, whichever is less)")
        ->type_name("N")
        ->check(wholeNumber<int64_t>(2));
    app.add_flag("--describe", describe, "Say what is in the artifact");
    app.add_flag("--check", check, "Verify every hash and whether this machine can run it");
    app.add_flag("--tokenize", tokenize,
                 "Print the ids of the prompt (or of standard input) as JSON; MODEL may be any GGUF file");
  }

  /// More than one of what excludes each other; empty if there is none.
  std::string conflict() const {
    if (options.prompt.has_value() + options.promptFile.has_value() + !promptTokens.empty() > 1)
      return "--prompt, --prompt-file and --prompt-tokens exclude each other";
    if (!options.perplexityFile.empty() + describe + check + tokenize > 1)
      return "--perplexity, --describe, --check and --tokenize exclude each other";
    return "";
  }

  /// An option that does nothing for what is done instead of generating; empty if there is none.
  std::string withoutEffect(const CLI::App &app) const {
    const std::set<std::string> always = {"--model", "--output", "--threads", "--dim", "--constant"};
    const struct {
      bool asked;
      std::string name;
      std::set<std::string> used;
    } actions[] = {
        {describe, "--describe", {"--max-context"}},
        {check, "--check", {"--max-context"}},
        {tokenize, "--tokenize", {"--prompt", "--prompt-file", "--no-bos"}},
        {!options.perplexityFile.empty(),
         "--perplexity",
         {"--max-context", "--context-size", "--no-bos", "--prefill-chunk", "--inproc", "--trace",
          "--stats"}},
        {!options.outputFolder.empty(), "--output-dir", {"--input", "--inproc"}},
    };
    for (const auto &action : actions) {
      if (!action.asked)
        continue;
      for (const CLI::Option *option : app.get_options()) {
        std::string name = option->get_name();
        bool used = name == action.name || always.contains(name) || action.used.contains(name);
        if (option->count() > 0 && !used)
          return name + " does nothing with " + action.name;
      }
    }
    return "";
  }

  /// What no single option can check; empty if all is well.
  std::string finish(const CLI::App &app) {
    if (options.model.empty())
      return "nothing to run: give MODEL, an artifact or a model file";
    if (std::string problem = conflict(); !problem.empty())
      return problem;
    if (std::string problem = withoutEffect(app); !problem.empty())
      return problem;
    options.json = output == "json";
    if (!promptTokens.empty()) {
      options.promptTokens.emplace();
      if (!parseTokens(promptTokens, *options.promptTokens))
        return "--prompt-tokens: expected ids separated by commas, got '" + promptTokens + "'";
    }
    if (!options.inputs.empty() && options.outputFolder.empty())
      return "--input needs --output-dir";
    if (absl::Status status = options.sampling.over({}).validate(); !status.ok())
      return std::string(status.message());
    bool prompt = options.prompt || options.promptFile || options.promptTokens;
    options.action = !options.perplexityFile.empty() ? Action::Perplexity
                     : describe                      ? Action::Describe
                     : check                         ? Action::Check
                     : tokenize                      ? Action::Tokenize
                     : !options.outputFolder.empty() ? Action::Function
                     : options.chat && !prompt       ? Action::Chat
                                                     : Action::Generate;
    if (options.action == Action::Generate && !prompt)
      return "nothing to do: give --prompt (- for standard input), --prompt-file, --prompt-tokens, --chat, "
             "--output-dir, --perplexity, --describe, --check or --tokenize";
    if (options.promptTokens && options.chat)
      return "--prompt-tokens does not go with --chat, which makes tokens of text";
    if (!options.system.empty() && !options.chat)
      return "--system needs --chat";
    if (!options.logitsFile.empty() && (options.action != Action::Generate || options.promptFile))
      return "--logits-out needs a single prompt, given by --prompt or --prompt-tokens";
    if (options.action == Action::Chat && options.json)
      return "--output=json with --chat needs a prompt";
    return "";
  }
};

} // namespace

ParsedCommandLine parseCommandLine(int argc, const char *const *argv) {
  CLI::App app(kDescription, "lamina-run");
  app.footer(kFooter);
  app.set_version_flag("--version", "lamina-run " LAMINA_VERSION);
  Parser parser;
  app.add_option("-m,--model,MODEL", parser.options.model, "An artifact or a model file")->type_name("");
  // Options added from here on stand under this heading of --help.
  auto heading = [&](const char *text) { app.option_defaults()->group(text); };
  heading("Prompt");
  parser.addPrompts(app);
  heading("Tensors");
  parser.addFunction(app);
  heading("Compilation");
  parser.addCompilation(app);
  heading("Generation");
  parser.addGeneration(app);
  heading("Execution");
  parser.addExecution(app);
  heading("Output");
  parser.addOutput(app);
  heading("Instead of generating");
  parser.addActions(app);
  std::string problem;
  try { // CLI11 reports by exception
    app.parse(argc, argv);
    problem = parser.finish(app);
  } catch (const CLI::ParseError &error) {
    if (error.get_exit_code() == 0)
      return {std::nullopt, app.exit(error)};
    problem = commandLineError(app, error);
  }
  if (problem.empty())
    return {std::move(parser.options), kSuccess};
  std::cerr << "lamina-run: " << problem << "; see lamina-run --help\n";
  return {std::nullopt, kWrongCommandLine};
}

} // namespace lamina::run
