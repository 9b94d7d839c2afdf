//===- CommandLine.cpp - options of lamina-opt on model files -------------------------------------------------===//

#include "tools/lamina-opt/CommandLine.h"

#include "lib/Target/CPU/CPUTarget.h"
#include "lib/Target/CUDA/CUDATarget.h"
#include "lib/Target/Plan/ArtifactTarget.h"
#include "tools/common/Assignment.h"
#include "tools/common/CommandLineError.h"

#include "mlir/Pass/PassRegistry.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/ADT/StringSwitch.h"

#include <CLI/CLI.hpp>

#include <iostream>

using namespace lamina;

namespace {

template <typename T> using Choices = std::vector<std::pair<std::string, T>>;

Choices<Phase> phaseChoices() {
  Choices<Phase> choices;
  for (const PhaseInfo &info : phases())
    choices.emplace_back(info.name.str(), info.phase);
  return choices;
}

/// An option that takes one of a few words, and says which in errors; `form` is what help calls it.
template <typename T, typename Target>
void addChoice(CLI::App &app, const std::string &flag, const std::string &form, Target &target,
               Choices<T> choices, const std::string &description) {
  std::vector<std::string> words;
  for (const auto &choice : choices)
    words.push_back(choice.first);
  auto set = [&target, choices = std::move(choices)](const std::string &word) {
    for (const auto &[name, value] : choices)
      if (name == word)
        target = value;
  };
  app.add_option_function<std::string>(flag, set, description)
      ->type_name(form)
      ->check(CLI::IsMember(words).description(""));
}

template <typename T>
CLI::Option *addNumber(CLI::App &app, const std::string &flag, T &target, int64_t least, int64_t most,
                       const std::string &description) {
  return app.add_option(flag, target, description)
      ->type_name("N")
      ->check(CLI::Range(least, most).description(""));
}

Choices<CacheElement> kvTypes() {
  return {{"f16", CacheElement::F16},
          {"f32", CacheElement::F32},
          {"bf16", CacheElement::BF16},
          {"fp8_e4m3", CacheElement::FP8E4M3},
          {"q8_0", CacheElement::Q8_0}};
}

std::string kvTypeName(CacheElement type) {
  for (const auto &[name, element] : kvTypes())
    if (element == type)
      return name;
  return "";
}

std::string phaseList() {
  std::string text = "phases:\n";
  for (const PhaseInfo &info : phases())
    text += "  " + info.name.str() + std::string(12 - info.name.size(), ' ') + info.description.str() + "\n";
  return text;
}

void addInputs(CLI::App &app, CommandLine &line) {
  app.add_option(
         "MODEL", line.model,
         "model file: .gguf (also one part of a split model), .onnx or .mlir, or a folder with an export")
      ->type_name("")
      ->required();
  app.add_option("-o,--out", line.output,
                 "artifact directory to write (NAME.lamina), or file for the IR of a phase")
      ->type_name("PATH");
  app.add_option("--cluster", line.compile.clusterFile, "YAML file that describes device classes and links")
      ->type_name("FILE")
      ->check(CLI::ExistingFile.description(""));
  addNumber(app, "--threads", line.threads, 1, 1024, "threads to compile with (default: one for each CPU)");
  app.add_flag("-q,--quiet", line.quiet, "no progress on the terminal");
}

void addPhases(CLI::App &app, CommandLine &line) {
  addChoice(app, "--compile-to", "PHASE", line.compileTo, phaseChoices(), "print the IR that leaves a phase");
  addChoice(app, "--compile-from", "PHASE", line.compileFrom, phaseChoices(),
            "the phase that an .mlir input has left (default: import)");
  app.add_option("--dump-phases", line.dumpFolder,
                 "write the IR of every phase to numbered files in this folder")
      ->type_name("DIR");
  app.add_flag("--plan-only", line.planOnly,
               "print what each worker needs, and the largest context; make no artifact");
  addChoice(app, "--output", "FORM", line.json, Choices<bool>{{"text", false}, {"json", true}},
            "form of --plan-only: text (default) or json");
}

void addSizes(CLI::App &app, CompileOptions &options) {
  addNumber(app, "--max-context", options.maxContext, 16, int64_t(1) << 24,
            "tokens of one sequence at most (default: the model's, up to 4096)");
  addNumber(app, "--max-batch-tokens", options.maxBatchTokens, 1, 65536, "tokens of one step at most")
      ->capture_default_str();
  addNumber(app, "--max-sequences", options.maxSequences, 1, 4096, "sequences in flight at most")
      ->capture_default_str();
  addNumber(app, "--max-output-rows", options.maxOutputRows, 1, 65536, "rows of logits of one step at most")
      ->capture_default_str();
  addNumber(app, "--kv-tokens", options.kvTokens, 16, int64_t(1) << 32,
            "tokens that the KV cache holds (default: four sequences of --max-context)");
  addChoice(
      app, "--kv-type", "TYPE", options.kvType, kvTypes(),
      "element of the KV cache: f16 (default), f32, bf16, or with half the bytes of f16 q8_0 or fp8_e4m3");
  addChoice(app, "--activations", "TYPE", options.quantizeActivations,
            Choices<bool>{{"q8", true}, {"f32", false}},
            "what meets quantised weights: q8 (default) rounded to eight bits, or f32");
}

/// CLASS=DEVICE[:ARCHITECTURE]. Returns what is wrong, empty if nothing is.
std::string setTarget(const std::string &text, CommandLine &line) {
  llvm::StringRef name = text, device = name.split('=').second, architecture = device.split(':').second;
  bool *onCuda = llvm::StringSwitch<bool *>(name.split('=').first)
                     .Case("compute", &line.compile.computeOnCuda)
                     .Case("memory", &line.compile.memoryOnCuda)
                     .Default(nullptr);
  llvm::StringRef kind = device.split(':').first;
  if (!onCuda || (kind != "cpu" && kind != "cuda"))
    return "expected compute=DEVICE or memory=DEVICE with cpu, cuda or cuda:sm_90a, got " + text;
  auto known = kind == "cpu" ? cpuTargets() : cudaArchitectures();
  bool simulated = kind == "cuda" && architecture == kSimulatedTarget; // for tests: docs/dev/cuda.md
  if (!architecture.empty() && !llvm::is_contained(known, architecture) && !simulated)
    return "no " + kind.str() + " target is called " + architecture.str() + "; expected one of " +
           llvm::join(known, ", ");
  *onCuda = kind == "cuda";
  if (!architecture.empty())
    (*onCuda ? line.cudaTargets : line.targets).push_back(architecture.str());
  return "";
}

void addFunctions(CLI::App &app, CompileOptions &options) {
  addAssignments(app, "--dim", "NAME=N",
                 "of an ONNX model: a number for a size that the file gives a name; may be repeated",
                 [&options](const Assignment &given) {
                   std::optional<int64_t> size = parseSize(given.value);
                   options.sizes[given.name] = size.value_or(0);
                   return size.has_value();
                 });
  addAssignments(
      app, "--constant", "NAME=FILE.npy",
      "of an ONNX model without a cache: the file of an input that becomes a constant; may be repeated",
      [&options](const Assignment &given) {
        options.constants[given.name] = given.value;
        return true;
      });
}

void addPlacement(CLI::App &app, CommandLine &line) {
  app.add_option_function<std::vector<std::string>>(
         "--target",
         [&line](const std::vector<std::string> &targets) {
           for (const std::string &target : targets)
             if (std::string wrong = setTarget(target, line); !wrong.empty())
               throw CLI::ValidationError("--target", wrong);
         },
         "what the class compute or memory runs on: cpu (default), cuda, or one architecture of it as "
         "compute=cuda:sm_90a; may be repeated")
      ->type_name("CLASS=DEVICE")
      ->allow_extra_args(false);
  addChoice(app, "--placement", "PLACEMENT", line.compile.monolithic,
            Choices<bool>{{"disaggregated", false}, {"monolithic", true}},
            "disaggregated (default): attention on a class of its own; monolithic: everything on one device");
  std::vector<std::string> known;
  for (llvm::StringRef target : cpuTargets())
    known.push_back(target.str());
  app.add_option("--cpu-targets", line.targets,
                 "ISAs of the CPU code with commas between (default: the best that this machine runs): " +
                     llvm::join(known, ", "))
      ->type_name("ISAS")
      ->delimiter(',')
      ->check(CLI::IsMember(known).description(""));
}

/// What is wrong with a command line; that of an mlir-opt may have been meant.
std::string describeError(const CLI::App &app, const CLI::ParseError &error) {
  registerPasses();
  for (const std::string &word : app.remaining()) {
    llvm::StringRef flag = llvm::StringRef(word).split('=').first, name = flag;
    if (name.consume_front("--") && (name == "pass-pipeline" || mlir::PassInfo::lookup(name)))
      return "'" + flag.str() +
             "' is for passes over an .mlir file, which --compile-to=PHASE -o NAME.mlir writes";
  }
  return commandLineError(app, error);
}

/// What the manifest records beside the plan's limits: why two artifacts of one model differ. Paths, which differ from
/// machine to machine, stay out.
std::vector<std::string> canonicalFlags(const CompileOptions &options) {
  std::vector<std::string> flags{std::string("placement=") +
                                     (options.monolithic ? "monolithic" : "disaggregated"),
                                 "kv-type=" + kvTypeName(options.kvType),
                                 std::string("activations=") + (options.quantizeActivations ? "q8" : "f32"),
                                 "max-batch-tokens=" + std::to_string(options.maxBatchTokens),
                                 "max-sequences=" + std::to_string(options.maxSequences),
                                 "max-output-rows=" + std::to_string(options.maxOutputRows)};
  if (options.maxContext)
    flags.push_back("max-context=" + std::to_string(options.maxContext));
  if (options.kvTokens)
    flags.push_back("kv-tokens=" + std::to_string(options.kvTokens));
  for (const auto &[name, size] : options.sizes)
    flags.push_back("dim=" + name + "=" + std::to_string(size));
  for (const auto &[name, path] : options.constants)
    flags.push_back("constant=" + name);
  return flags;
}

} // namespace

std::optional<int> lamina::parseCommandLine(int argc, const char *const *argv, CommandLine &line) {
  CLI::App app("Compiles a model into an artifact that lamina-run executes.", "lamina-opt");
  app.set_version_flag("--version", "lamina-opt " + compilerVersion().str());
  app.footer(
      phaseList() +
      "\nWith an .mlir file and pass flags lamina-opt behaves as an mlir-opt; --help-list shows the passes.\n"
      "lamina-opt --batch FILE compiles by the command lines in a file, one a line, in one process; the "
      "status is that of the worst.\n\n"
      "Exit status: 0 success, 1 a failed compilation, 2 a wrong command line, 130 interrupted by Ctrl-C.");
  addInputs(app, line);
  addPhases(app, line);
  addPlacement(app, line);
  addSizes(app, line.compile);
  addFunctions(app, line.compile);
  try { // CLI11 reports by exception
    app.parse(argc, argv);
  } catch (const CLI::ParseError &error) {
    if (error.get_exit_code() == 0)
      return app.exit(error);
    std::cerr << "lamina-opt: " << describeError(app, error) << "; see lamina-opt --help\n";
    return 2;
  }
  if (line.compile.monolithic && !line.compile.clusterFile.empty()) {
    std::cerr
        << "lamina-opt: --placement=monolithic and --cluster exclude each other; see lamina-opt --help\n";
    return 2;
  }
  if ((line.compile.computeOnCuda || line.compile.memoryOnCuda) && !line.compile.clusterFile.empty()) {
    std::cerr
        << "lamina-opt: --target and --cluster exclude each other: the file says which devices there are; "
           "see lamina-opt --help\n";
    return 2;
  }
  if (line.compile.monolithic && line.compile.memoryOnCuda && !line.compile.computeOnCuda) {
    std::cerr << "lamina-opt: --placement=monolithic has the class compute alone; see lamina-opt --help\n";
    return 2;
  }
  if (!line.planOnly && line.compileTo == Phase::Artifact && line.output.empty()) {
    std::cerr << "lamina-opt: nowhere to write the artifact; give -o NAME.lamina\n";
    return 2;
  }
  if (line.compileFrom.value_or(Phase::Import) > Phase::Schedule) {
    std::cerr
        << "lamina-opt: --compile-from takes a phase up to schedule; what leaves later ones is no input\n";
    return 2;
  }
  if (line.compileFrom && line.compileTo < *line.compileFrom) {
    std::cerr << "lamina-opt: --compile-to=" << nameOf(line.compileTo).str()
              << " lies before --compile-from=" << nameOf(*line.compileFrom).str()
              << ", and phases go forward alone; see lamina-opt --help\n";
    return 2;
  }
  line.flags = canonicalFlags(line.compile);
  return std::nullopt;
}
