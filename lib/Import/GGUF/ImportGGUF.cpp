//===- ImportGGUF.cpp - GGUF models to the lm dialect -------------------------------------------------===//

#include "lib/Import/GGUF/ImportGGUF.h"

#include "lib/Import/Models/DecoderBuilder.h"
#include "lib/Support/Names.h"
#include "runtime/io/GGUFReader.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/IR/MLIRContext.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/Path.h"

using namespace mlir;

namespace lamina {
namespace {

Location fileLocation(MLIRContext &context, StringRef path) {
  return FileLineColLoc::get(&context, path, 0, 0);
}

/// The architecture's row in the table, after what would make any architecture meaningless.
const Architecture *chooseArchitecture(const GGUFReader &file, Location fileLoc) {
  if (absl::StatusOr<std::string_view> type = file.getStringOr("general.type", "model");
      !type.ok() || *type != "model") {
    emitError(namedLoc("general.type", fileLoc))
        << (type.ok() ? "key 'general.type' is " + quoted(toRef(*type)) + ", expected 'model'"
                      : toRef(type.status().message()).str());
    return nullptr;
  }
  if (file.tensors().empty()) {
    emitError(fileLoc) << "vocabulary-only GGUF: it has a tokenizer but no weights, expected a model";
    return nullptr;
  }
  absl::StatusOr<std::string_view> name = file.getString("general.architecture");
  if (!name.ok()) {
    emitError(namedLoc("general.architecture", fileLoc)) << toRef(name.status().message());
    return nullptr;
  }
  if (const Architecture *found = findArchitecture(toRef(*name)))
    return found;
  auto names = llvm::map_to_vector(supportedArchitectures(), [](const Architecture &a) { return a.name; });
  emitError(namedLoc("general.architecture", fileLoc))
      << "unknown architecture " << quoted(toRef(*name)) << ", expected one of " << llvm::join(names, ", ")
      << suggestion(toRef(*name), names);
  return nullptr;
}

/// A token without an embedding would be read from beyond the table.
LogicalResult checkVocabulary(const GGUFReader &file, int64_t rows, Location fileLoc) {
  constexpr StringRef key = "tokenizer.ggml.tokens";
  const GGUFPair *tokens = file.find(key);
  if (!tokens || tokens->count <= uint64_t(rows))
    return success();
  return emitError(namedLoc(key, fileLoc))
         << "key " << quoted(key) << " has " << tokens->count << " tokens, expected at most the " << rows
         << " rows of 'token_embd.weight'";
}

/// The attributes that docs/dialects/lm.md lists.
void describe(ModuleOp module, const GGUFReader &file, const HyperParameters &parameters,
              ModelWeights &weights) {
  Builder b(module.getContext());
  absl::StatusOr<std::string_view> name = file.getString("general.name");
  module->setAttr("lm.architecture", b.getStringAttr(parameters.architecture->name));
  module->setAttr("lm.name", b.getStringAttr(name.ok() ? toRef(*name) : llvm::sys::path::stem(file.path())));
  module->setAttr("lm.layers", b.getI64IntegerAttr(parameters.layers.size()));
  module->setAttr("lm.hidden_size", b.getI64IntegerAttr(parameters.hidden));
  module->setAttr("lm.vocab_size", b.getI64IntegerAttr(weights.head.matrix.getTensorType().getDimSize(0)));
  module->setAttr("lm.context_length", b.getI64IntegerAttr(parameters.context));
  module->setAttr("lm.trained_context", b.getI64IntegerAttr(parameters.trainedContext));
  SmallVector<StringRef> paths;
  for (size_t part = 0; part < file.numParts(); ++part)
    paths.push_back(file.path(part));
  module->setAttr("lm.files", b.getStrArrayAttr(paths));
}

} // namespace

FailureOr<OwningOpRef<ModuleOp>> importGGUF(MLIRContext &context, const GGUFReader &file,
                                            const ImportOptions &options) {
  context.loadDialect<lm::LMDialect, func::FuncDialect, arith::ArithDialect>();
  Location fileLoc = fileLocation(context, file.path());
  const Architecture *architecture = chooseArchitecture(file, fileLoc);
  if (!architecture)
    return failure();

  // Keys before tensors: a key that changes the shape of the model explains a wrong tensor, not the reverse.
  Metadata metadata(file, architecture->name, fileLoc);
  HyperParameters parameters = readHyperParameters(metadata, *architecture, options.contextLength);
  tolerateRemainingKeys(metadata);
  if (!metadata.finish())
    return failure();

  OwningOpRef<ModuleOp> module = ModuleOp::create(fileLoc);
  WeightTable table(*module, file);
  ModelWeights weights = declareWeights(table, parameters);
  if (!table.finish() ||
      failed(checkVocabulary(file, weights.embedding.getTensorType().getDimSize(0), fileLoc)))
    return failure();

  Type element = cacheElementType(context, options.cacheElement);
  for (const LayerParameters &layer : parameters.layers)
    if (failed(lm::KVCacheType::verify([&] { return emitError(fileLoc); }, layer.keyHeads,
                                       parameters.keyLength, parameters.valueLength, element)))
      return failure();
  buildDecoder(*module, parameters, weights, element);
  describe(*module, file, parameters, weights);
  return module;
}

FailureOr<OwningOpRef<ModuleOp>> importModelFile(MLIRContext &context, StringRef path,
                                                 const ImportOptions &options) {
  absl::StatusOr<GGUFReader> file =
      GGUFReader::open(path.str(), {.allowMissingData = options.allowMissingData});
  if (!file.ok())
    return emitError(fileLocation(context, path)) << toRef(file.status().message());
  return importGGUF(context, *file, options);
}

} // namespace lamina
