//===- CommandLine.cpp - lamina-run's command line
//------------------------------------------------------------===//

#include "tools/lamina-run/Options.h"

#include <CLI/CLI.hpp>

#include <charconv>
#include <limits>
#include <string_view>

namespace lamina::run {
namespace {

constexpr char kDescription[] = "Runs a model that lamina-opt compiled: generates text, chats, measures "
                                "perplexity, describes and checks.";

constexpr char kFooter[] =
    R"(MODEL is an artifact (NAME.lamina), or a GGUF file, which lamina-opt compiles into a cache first
($XDG_CACHE_HOME/lamina or ~/.cache/lamina).

Generated text goes to standard output, everything else to standard error. With --prompt-file every line is a prompt;
all are generated together, and printed in the order of the file (--output=json: one object a line).

--perplexity cuts the tokenised file into windows of --context-size tokens that do not overlap and each begin with bos,
where the vocabulary asks for bos (it counts towards the window). In a window every token but the first is predicted
from all before it, and every prediction counts.

Exit status: 0 success, 1 a failed run, 2 a wrong command line, 130 interrupted by Ctrl-C.)";

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
    auto *group = app.add_option_group("Prompt", "What to generate from");
    group->add_option("--prompt", options.prompt, "Text to continue; with --chat the user's message");
    group->add_option("--prompt-file", options.promptFile, "A file with one prompt a line")
        ->type_name("FILE");
    group->add_option("--prompt-tokens", promptTokens, "Token ids, used as they are: 1,2,3")
        ->type_name("IDS");
    group->require_option(0, 1);
    app.add_flag("--chat", options.chat,
                 "Use the model's chat template; without a prompt, talk to it line by line");
    app.add_option("--system", options.system, "System message of a chat")->type_name("TEXT");
    app.add_flag("--no-bos", options.noBos, "Do not put bos in front of text prompts");
  }

  void addGeneration(CLI::App &app) {
    app.add_option("-n,--max-tokens", options.maxTokens,
                   "Tokens to generate (default 128, with --chat no limit); -1: until the model stops")
        ->check(CLI::Range(int64_t{-1}, std::numeric_limits<int64_t>::max()));
    app.add_option("--temperature", options.sampling.temperature,
                   "0 (default): always the most probable token");
    app.add_option("--top-k", options.sampling.topK, "Choose among the K most probable tokens; 0: all");
    app.add_option("--top-p", options.sampling.topP, "Choose among the most probable tokens that make up P");
    app.add_option("--min-p", options.sampling.minP, "Drop tokens less probable than P times the best");
    app.add_option("--repetition-penalty", options.sampling.repetitionPenalty,
                   "Above 1: avoid recent tokens");
    app.add_option("--repetition-window", options.sampling.repetitionWindow, "How many tokens are recent");
    app.add_option("--seed", options.sampling.seed, "Same seed, same text (default 0)");
    app.add_option("--stop", options.stops, "End before this text appears; may be given several times")
        ->expected(1)
        ->take_all()
        ->type_name("TEXT");
    app.add_flag("--ignore-eos", options.ignoreEndOfText, "Go on when the model says that it is done");
  }

  void addExecution(CLI::App &app) {
    app.add_option("--threads", options.threads, "Threads of each worker; 0: one per CPU")
        ->check(CLI::Range(0, 4096));
    app.add_flag("--inproc", options.inProcess, "Run the workers as threads of this process");
    app.add_option("--prefill-chunk", options.prefillChunk,
                   "Prompt tokens of one request per step at most; 0: as many as fit")
        ->check(CLI::Range(int64_t{0}, std::numeric_limits<int64_t>::max()));
    app.add_option("--output", output, "text or json")->check(CLI::IsMember({"text", "json"}));
    app.add_option("--logits-out", options.logitsFile,
                   "Write the prompt's logits: float32 [tokens, vocabulary]")
        ->type_name("FILE.npy");
    app.add_option("--trace", options.traceFile,
                   "Write what each worker did when, for chrome://tracing or Perfetto")
        ->type_name("FILE.json");
    app.add_flag("--stats", options.stats, "Say where the time went");
  }

  void addActions(CLI::App &app) {
    auto *group = app.add_option_group("Instead of generating");
    group->add_option("--perplexity", options.perplexityFile, "Measure how well the model predicts a text")
        ->type_name("FILE");
    group->add_flag("--describe", describe, "Say what is in the artifact");
    group->add_flag("--check", check, "Verify every hash and whether this machine can run it");
    group->add_flag("--tokenize", tokenize,
                    "Print the ids of the prompt (or of standard input) as JSON; MODEL may be any GGUF file");
    group->require_option(0, 1);
    app.add_option("--context-size", options.contextSize,
                   "Window of --perplexity in tokens (default: 512 or the context, whichever is less)")
        ->check(CLI::Range(int64_t{2}, int64_t{1} << 31));
  }

  /// What no single option can check; empty if all is well.
  std::string finish() {
    options.json = output == "json";
    if (!promptTokens.empty()) {
      options.promptTokens.emplace();
      if (!parseTokens(promptTokens, *options.promptTokens))
        return "--prompt-tokens: expected ids separated by commas, got '" + promptTokens + "'";
    }
    if (absl::Status status = options.sampling.validate(); !status.ok())
      return std::string(status.message());
    bool prompt = options.prompt || options.promptFile || options.promptTokens;
    options.action = !options.perplexityFile.empty() ? Action::Perplexity
                     : describe                      ? Action::Describe
                     : check                         ? Action::Check
                     : tokenize                      ? Action::Tokenize
                     : options.chat && !prompt       ? Action::Chat
                                                     : Action::Generate;
    if (options.action == Action::Generate && !prompt)
      return "nothing to do: give --prompt, --prompt-file, --prompt-tokens, --chat, --perplexity, "
             "--describe, --check or "
             "--tokenize";
    if (options.promptTokens && (options.chat || tokenize))
      return "--prompt-tokens goes with neither --chat nor --tokenize, which make tokens of text";
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
  app.add_option("MODEL", parser.options.model, "An artifact or a GGUF file")->required();
  parser.addPrompts(app);
  parser.addGeneration(app);
  parser.addExecution(app);
  parser.addActions(app);
  // CLI11 reports by exceptions; they end here.
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError &error) {
    return {std::nullopt, app.exit(error) == 0 ? kSuccess : kWrongCommandLine};
  }
  if (std::string problem = parser.finish(); !problem.empty()) {
    std::cerr << problem << "\nRun with --help for more information.\n";
    return {std::nullopt, kWrongCommandLine};
  }
  return {std::move(parser.options), kSuccess};
}

} // namespace lamina::run
