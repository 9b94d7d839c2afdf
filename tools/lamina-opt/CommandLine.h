//===- CommandLine.h - options of lamina-opt on model files ---------------------------------------*- C++ -*-===//

#ifndef LAMINA_TOOLS_LAMINA_OPT_COMMANDLINE_H
#define LAMINA_TOOLS_LAMINA_OPT_COMMANDLINE_H

#include "lib/Pipelines/Pipelines.h"

#include <optional>
#include <string>
#include <vector>

namespace lamina {

struct CommandLine {
  std::string model;
  std::string output; // artifact, or file for IR; empty or "-" = standard output for IR
  Phase compileTo = Phase::Artifact;
  std::optional<Phase> compileFrom; // of an .mlir input: the phase that it left
  bool planOnly = false;
  bool json = false;
  bool quiet = false;
  unsigned threads = 0;                 // 0 = one for each CPU
  std::vector<std::string> targets;     // of CPUs; empty = the best that this machine runs
  std::vector<std::string> cudaTargets; // empty = all that the assembler at hand makes code for
  std::string dumpFolder;
  CompileOptions compile;
  std::vector<std::string> flags; // the arguments that change the artifact, in canonical form
};

/// Parses the arguments. Returns the exit status instead where nothing is left to do: 0 after --help, 2 after an error,
/// which has been printed.
std::optional<int> parseCommandLine(int argc, const char *const *argv, CommandLine &result);

} // namespace lamina

#endif // LAMINA_TOOLS_LAMINA_OPT_COMMANDLINE_H
