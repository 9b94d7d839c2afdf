//===- Compile.h - lamina-opt on model files ------------------------------------------------------*- C++ -*-===//

#ifndef LAMINA_TOOLS_LAMINA_OPT_COMPILE_H
#define LAMINA_TOOLS_LAMINA_OPT_COMPILE_H

namespace lamina {

/// Whether the command line asks to compile a model; otherwise it is one for mlir-opt: pass flags over .mlir files.
bool wantsCompile(int argc, char **argv);

/// Runs the command line; returns the exit status: 0 success, 1 a failed compilation, 2 a wrong command line.
int compileMain(int argc, char **argv);

} // namespace lamina

#endif // LAMINA_TOOLS_LAMINA_OPT_COMPILE_H
