//===- Compile.cpp - lamina-opt on model files ----------------------------------------------------------------===//

#include "tools/lamina-opt/Compile.h"

#include "lib/Pipelines/Pipelines.h"
#include "lib/Target/CPU/CPUTarget.h"
#include "lib/Target/Plan/ArtifactTarget.h"
#include "lib/Target/Plan/FitTable.h"
#include "runtime/io/GGUFReader.h"
#include "tools/lamina-opt/CommandLine.h"

#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/MLIRContext.h"
#include "mlir/Parser/Parser.h"
#include "llvm/Support/FileSystem.h"
#include "llvm/Support/raw_ostream.h"

#include <thread>
#include <unistd.h>

using namespace mlir;
using namespace lamina;

bool lamina::wantsCompile(int argc, char **argv) {
  for (int i = 1; i < argc; ++i) {
    StringRef argument = argv[i];
    if (argument == "-h" || argument == "--help" || argument == "--version")
      return argc == 2;
    for (StringRef flag : {"--compile-to", "--compile-from", "--plan-only", "--placement", "--cluster", "--dump-phases"})
      if (argument.consume_front(flag) && (argument.empty() || argument.starts_with("=")))
        return true;
    bool isOutput = i > 1 && StringRef(argv[i - 1]) == "-o";
    if (!argument.starts_with("-") && !isOutput && !argument.ends_with(".mlir") && !argument.ends_with(".mlirbc"))
      return true;
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
  StringRef severity = diagnostic.getSeverity() == DiagnosticSeverity::Error ? "error"
                       : diagnostic.getSeverity() == DiagnosticSeverity::Warning ? "warning" : "note";
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
  if (!StringRef(line.model).ends_with(".mlir") && !StringRef(line.model).ends_with(".mlirbc"))
    return importModel(context, line.model, line.compile, headerOnly);
  Model model;
  model.module = parseSourceFile<ModuleOp>(line.model, ParserConfig(&context));
  if (!model.module)
    return failure();
  return model;
}

/// The file behind a module that came as .mlir.
LogicalResult openWeights(Model &model) {
  if (model.reader)
    return success();
  auto files = (*model.module)->getAttrOfType<ArrayAttr>("lm.files");
  auto first = files && !files.empty() ? dyn_cast<StringAttr>(files[0]) : StringAttr();
  if (!first)
    return model.module->emitError("names no model file in the attribute lm.files, so there are no weights to pack");
  absl::StatusOr<GGUFReader> reader = GGUFReader::open(first.str());
  if (!reader.ok())
    return model.module->emitError(std::string(reader.status().message()));
  model.reader = std::make_unique<GGUFReader>(std::move(*reader));
  return success();
}

LogicalResult printText(ModuleOp module, const CommandLine &line, llvm::function_ref<void(llvm::raw_ostream &)> write) {
  if (line.output.empty() || line.output == "-") {
    write(llvm::outs());
    return success();
  }
  std::error_code error;
  llvm::raw_fd_ostream os(line.output, error);
  if (error)
    return module.emitError() << "cannot write " << line.output << ": " << error.message();
  write(os);
  os.close();
  if (!os.has_error())
    return success();
  std::string reason = os.error().message();
  os.clear_error();
  return module.emitError() << "cannot write " << line.output << ": " << reason;
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

/// ISAs to compile for: what was asked for, or all of the architecture of this machine.
std::vector<StringRef> chooseTargets(const CommandLine &line) {
  std::vector<StringRef> targets(line.targets.begin(), line.targets.end());
  if (!targets.empty())
    return targets;
  StringRef architecture = hostCpuTarget().take_until([](char c) { return c == '-'; });
  for (StringRef target : cpuTargets())
    if (target.starts_with(architecture))
      targets.push_back(target);
  return targets;
}

LogicalResult compile(MLIRContext &context, CommandLine &line) {
  FailureOr<Model> model = openModel(context, line);
  if (failed(model))
    return failure();
  ModuleOp module = *model->module;
  line.compile.checkMemory = !line.planOnly;
  Phase from = line.compileFrom.value_or(Phase::Import);
  Phase to = line.planOnly ? Phase::Schedule : line.compileTo;
  if (failed(runPhases(module, from, to, line.compile, line.dumpFolder)))
    return failure();
  if (line.planOnly)
    return printPlan(module, line);
  if (to <= Phase::Schedule)
    return printText(module, line, [&](llvm::raw_ostream &os) { module.print(os); });

  ArtifactOptions options{chooseTargets(line), line.flags,
                          line.threads ? line.threads : std::max(1u, std::thread::hardware_concurrency())};
  if (to == Phase::Lower) {
    FailureOr<std::string> text = printLoweredKernels(module, options.targets.front());
    return failed(text) ? failure() : printText(module, line, [&](llvm::raw_ostream &os) { os << *text; });
  }
  if (failed(openWeights(*model)))
    return failure();
  bool terminal = isatty(STDERR_FILENO) && !line.quiet;
  return writeArtifact(module, *model->reader, line.output, options, [&](StringRef what) {
    if (terminal)
      llvm::errs() << "lamina-opt: " << what << "\n";
  });
}

} // namespace

int lamina::compileMain(int argc, char **argv) {
  CommandLine line;
  if (std::optional<int> status = parseCommandLine(argc, argv, line))
    return *status;
  DialectRegistry registry;
  registerDialects(registry);
  MLIRContext context(registry);
  context.loadAllAvailableDialects();
  context.printOpOnDiagnostic(false); // users know their files, not our operations
  context.getDiagEngine().registerHandler([](Diagnostic &diagnostic) { print(diagnostic); });
  return failed(compile(context, line)) ? 1 : 0;
}
