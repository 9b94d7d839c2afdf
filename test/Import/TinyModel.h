//===- TinyModel.h - GGUF models of a few bytes for tests -----------------------------------*- C++ -*-===//
//
// A model is a list of keys and tensors that a test may change before it is written: drop a tensor, rename a
// key, give a wrong shape. Data is zero. import() writes it to memory, imports it and returns the module and
// the diagnostics.
//
//===--------------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_TEST_IMPORT_TINYMODEL_H
#define LAMINA_TEST_IMPORT_TINYMODEL_H

#include "lib/Import/GGUF/ImportGGUF.h"
#include "runtime/io/GGUFWriter.h"

#include "mlir/IR/MLIRContext.h"

#include <map>
#include <string>
#include <variant>
#include <vector>

namespace lamina::testing {

using Value = std::variant<uint32_t, float, bool, std::string, std::vector<int32_t>>;

struct Tensor {
  std::vector<uint64_t> dims; ///< row length first
  TensorType type = TensorType::F32;
  std::vector<float> values = {}; ///< of an F32 vector; empty: zeros
};

/// What came of an import.
struct Imported {
  mlir::OwningOpRef<mlir::ModuleOp> module; ///< null if it failed
  std::string text;                         ///< of the module, without locations
  std::vector<std::string> errors;          ///< "location: message"
};

struct TinyModel {
  std::string architecture;
  std::map<std::string, Value>
      keys; ///< without "ARCHITECTURE.", unless they begin with "general." or "tokenizer."
  std::map<std::string, Tensor> tensors;

  /// Writes the model to memory and imports it; the file is called "tiny.gguf".
  Imported import(const ImportOptions &options = {}) const;
};

/// A decoder of width 32, 2 query heads of 16 over one key head, feed-forward 64, vocabulary 40, context 128,
/// with the tensors that its architecture asks for.
TinyModel tinyModel(const std::string &architecture, int layers = 2);

/// The same with 4 experts of width 32, 2 used, for llama and qwen3moe.
TinyModel tinyExpertModel(const std::string &architecture, int layers = 1);

/// Imports with the diagnostics collected.
Imported collect(mlir::MLIRContext &context,
                 llvm::function_ref<mlir::FailureOr<mlir::OwningOpRef<mlir::ModuleOp>>()> import);

/// The context of all tests: types of modules must outlive them.
mlir::MLIRContext &sharedContext();

/// Occurrences of `needle`.
int count(const std::string &text, const std::string &needle);

} // namespace lamina::testing

#endif // LAMINA_TEST_IMPORT_TINYMODEL_H
