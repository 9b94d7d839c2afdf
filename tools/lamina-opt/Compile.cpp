//===- Compile.cpp - lamina-opt on model files ----------------------------------------------------------------===//

#include "tools/lamina-opt/Compile.h"

#include "lib/Pipelines/Pipelines.h"
#include "lib/Target/CPU/CPUTarget.h"
#include "lib/Target/CUDA/CUDATarget.h"
#include "lib/Target/Plan/ArtifactTarget.h"
#include "lib/Target/Plan/FitTable.h"
#include "tools/common/CommandLines.h"
#include "tools/lamina-opt/CommandLine.h"
#include "tools/lamina-opt/Interrupt.h"

#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/Parser/Parser.h"
#include "mlir/Support/FileUtilities.h"
#include "llvm/ADT/SetVector.h"
#include "llvm/Support/MemoryBuffer.h"
#include "llvm/Support/SourceMgr.h"
#include "llvm/Support/raw_ostream.h"

#include <fstream>
#include <thread>
#include <unistd.h>

using namespace mlir;
using namespace lamina;

/// What a file is, by its first bytes; one that cannot be opened, by its name, so that the error names it.
static bool isMLIR(StringRef path) {
  char head[512] = {};
  std::ifstream file(path.str(), std::ios::binary);
  file.read(head, sizeof head - 1);
  StringRef text(head, file.gcount());
  if (!file.is_open())
    return path.ends_with(".mlir");
  if (text.starts_with("GGUF"))
    return false;
  return text.starts_with("ML\xefR") || path.ends_with(".mlir") || text.ltrim().starts_with("module") ||
         text.ltrim().starts_with("//") || text.ltrim().starts_with("#loc");
}

bool lamina::wantsCompile(int argc, char **argv) {
  for (int i = 1; i < argc; ++i) {
    StringRef argument = argv[i], next = i + 1 < argc ? argv[i + 1] : "";
    if (argument == "-h" || argument == "--help" || argument == "--version")
      return true;
    for (StringRef flag : {"--batch", "--compile-to", "--compile-from", "--plan-only", "--placement",
                           "--target", "--cluster", "--dump-phases"})
      if (StringRef rest = argument; rest.consume_front(flag) && (rest.empty() || rest.starts_with("=")))
        return true;
    if (argument == "-o") { // an artifact is asked for, or the output of passes
      if (next.rtrim('/').ends_with(".lamina"))
        return true;
      ++i;
    } else if (!argument.starts_with("-") && !isMLIR(argument)) {
      return true;
    }
  }
  return argc == 1;
}

namespace {

/// "file: name" of a location, as far as known.
std::string describe(Location loc) {
  std::string text;
  if (auto file = loc->findInstanceOf<FileLineColLoc>()) {
    text = file.getFilename().str();
    if (file.getLine())
      text += ":" + std::to_string(file.getLine()) + ":" + std::to_string(file.getColumn());
    text += ": ";
  }
  if (auto name = loc->findInstanceOf<NameLoc>())
    text += name.getName().str() + ": ";
  return text;
}

void print(Diagnostic &diagnostic) {
  StringRef severity = diagnostic.getSeverity() == DiagnosticSeverity::Error     ? "error"
                       : diagnostic.getSeverity() == DiagnosticSeverity::Warning ? "warning"
                                                                                 : "note";
  std::string message = diagnostic.str(), where = describe(diagnostic.getLocation());
  // Some messages of the file reader begin with the file already.
  if (StringRef(message).starts_with(StringRef(where).rtrim(" :")))
    where.clear();
  llvm::errs() << "lamina-opt: " << severity << ": " << where << message << "\n";
  for (Diagnostic &note : diagnostic.getNotes())
    print(note);
}

FailureOr<Model> openModel(MLIRContext &context, CommandLine &line) {
  bool headerOnly = line.planOnly || line.compileTo < Phase::Artifact;
  if (!isMLIR(line.model)) {
    if (line.compileFrom)
      return emitError(FileLineColLoc::get(&context, line.model, 0, 0))
             << "--compile-from is of .mlir files; leave it out";
    return importModel(context, line.model, line.compile, headerOnly);
  }
  std::string problem;
  std::unique_ptr<llvm::MemoryBuffer> text = openInputFile(line.model, &problem);
  if (!text)
    return emitError(UnknownLoc::get(&context)) << problem << "; check the path";
  llvm::SourceMgr sources;
  sources.AddNewSourceBuffer(std::move(text), llvm::SMLoc());
  Model model;
  model.module = parseSourceFile<ModuleOp>(sources, ParserConfig(&context));
  if (!model.module)
    return failure();
  return model;
}

/// The file behind a module that came as .mlir.
LogicalResult openWeights(Model &model) {
  if (!model.files.files.empty())
    return success();
  auto files = (*model.module)->getAttrOfType<ArrayAttr>("lm.files");
  auto first = files && !files.empty() ? dyn_cast<StringAttr>(files[0]) : StringAttr();
  if (!first)
    return model.module->emitError(
        "names no model file in the attribute lm.files, so there are no weights to pack");
  absl::StatusOr<ModelFiles> opened = openModelFiles(*model.module, first.str());
  if (!opened.ok())
    return model.module->emitError(std::string(opened.status().message()));
  model.files = std::move(*opened);
  return success();
}

bool toStandardOutput(const CommandLine &line) { return line.output.empty() || line.output == "-"; }

LogicalResult printText(ModuleOp module, const CommandLine &line,
                        llvm::function_ref<void(llvm::raw_ostream &)> write) {
  std::string target = toStandardOutput(line) ? "-" : line.output;
  std::error_code error;
  llvm::raw_fd_ostream os(target, error);
  if (!error) {
    write(os);
    os.flush();
    error = os.error();
    os.clear_error(); // reported here; the stream would abort
  }
  if (error)
    return emitError(UnknownLoc::get(module.getContext()))
           << "cannot write " << (target == "-" ? "the standard output" : target) << ": " << error.message();
  return success();
}

LogicalResult printPlan(ModuleOp module, const CommandLine &line) {
  FailureOr<FitTable> table = computeFitTable(module);
  if (failed(table))
    return failure();
  return printText(module, line, [&](llvm::raw_ostream &os) {
    if (line.json)
      os << llvm::formatv("{0:2}\n", toJSON(*table));
    else
      printFitTable(*table, os);
  });
}

/// ISAs to compile for: what was asked for, or what suits this machine best.
FailureOr<std::vector<StringRef>> chooseTargets(ModuleOp module, const CommandLine &line) {
  llvm::SetVector<StringRef> chosen(llvm::from_range, line.targets);
  if (StringRef host = hostCpuTarget(); chosen.empty() && !host.empty())
    chosen.insert(host);
  if (chosen.empty())
    return emitError(UnknownLoc::get(module.getContext()))
           << "this machine runs none of the CPU targets; choose with --cpu-targets";
  return std::vector<StringRef>(chosen.begin(), chosen.end());
}

/// PTX always, which any driver takes; beside it code for the architectures that were asked for, or for all.
std::vector<StringRef> chooseCudaTargets(ModuleOp module, const CommandLine &line) {
  if (llvm::none_of(module.getOps<plan::ProgramOp>(), runsOnCuda))
    return {};
  std::vector<StringRef> chosen = {"ptx"};
  bool all = line.cudaTargets.empty();
  std::vector<StringRef> wanted(line.cudaTargets.begin(), line.cudaTargets.end());
  if (all)
    wanted = cudaArchitectures().vec();
  std::optional<std::string> assembler = findAssembler();
  for (StringRef target : llvm::SetVector<StringRef>(llvm::from_range, wanted))
    if (target == kSimulatedTarget || (assembler && knowsArchitecture(*assembler, target)))
      chosen.push_back(target);
    else if (assembler && !all)
      emitRemark(UnknownLoc::get(module.getContext()))
          << *assembler << " makes no code for " << target
          << ": the driver will compile the PTX when a worker starts";
  if (!assembler && wanted != std::vector<StringRef>{kSimulatedTarget})
    emitRemark(UnknownLoc::get(module.getContext())) << "no ptxas was found: the artifact has PTX alone, "
                                                        "which the driver will compile when a worker starts; "
                                                        "name one with LAMINA_PTXAS";
  return chosen;
}

LogicalResult compile(MLIRContext &context, CommandLine &line) {
  FailureOr<Model> model = openModel(context, line);
  if (failed(model))
    return failure();
  ModuleOp module = *model->module;
  line.compile.checkMemory = !line.planOnly;
  Phase from = line.compileFrom.value_or(Phase::Import);
  Phase to = line.planOnly ? Phase::Schedule : line.compileTo;
  if (failed(runPhases(module, from, to, line.compile, line.dumpFolder))) {
    if (isMLIR(line.model)) // locations name the model that it was made of
      emitRemark(FileLineColLoc::get(&context, line.model, 0, 0))
          << "read as what leaves the phase " << nameOf(from)
          << "; if it left another, say which with --compile-from";
    return failure();
  }
  if (line.planOnly)
    return printPlan(module, line);
  if (to <= Phase::Schedule)
    return printText(module, line, [&](llvm::raw_ostream &os) {
      // People read the terminal; a file may be compiled further, and locations are the names in its plan.
      module.print(os, OpPrintingFlags().enableDebugInfo(!toStandardOutput(line)));
    });

  FailureOr<std::vector<StringRef>> targets = chooseTargets(module, line);
  if (failed(targets))
    return failure();
  ArtifactOptions options{{std::move(*targets), chooseCudaTargets(module, line)},
                          line.flags,
                          line.threads ? line.threads : std::max(1u, std::thread::hardware_concurrency())};
  if (to == Phase::Lower) {
    FailureOr<std::string> text = printLoweredKernels(module, options);
    return failed(text) ? failure() : printText(module, line, [&](llvm::raw_ostream &os) { os << *text; });
  }
  if (failed(openWeights(*model)))
    return failure();
  bool terminal = isatty(STDERR_FILENO) && !line.quiet;
  return writeArtifact(module, model->files, line.output, options, [&](StringRef what) {
    if (terminal)
      llvm::errs() << "lamina-opt: " << what << "\n";
  });
}

} // namespace

static int compileOne(int argc, const char *const *argv) {
  CommandLine line;
  if (std::optional<int> status = parseCommandLine(argc, argv, line))
    return *status;
  if (!line.planOnly && line.compileTo == Phase::Artifact)
    cleanUpOnSignals(line.output);
  DialectRegistry registry;
  registerDialects(registry);
  MLIRContext context(registry);
  context.loadAllAvailableDialects();
  context.printOpOnDiagnostic(false); // users know their files, not our operations
  context.getDiagEngine().registerHandler([](Diagnostic &diagnostic) { print(diagnostic); });
  return failed(compile(context, line)) ? 1 : 0;
}

int lamina::compileMain(int argc, char **argv) {
  if (std::optional<int> status = runCommandLines(argc, argv, compileOne))
    return *status;
  return compileOne(argc, argv);
}
