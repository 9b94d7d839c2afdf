//===- ImportONNX.cpp - ONNX decoders to the lm dialect -------------------------------------------------===//

#include "lib/Import/ONNX/ImportONNX.h"

#include "dialects/LM/Transforms/Passes.h"
#include "lib/Import/ModelPath.h"
#include "lib/Import/ONNX/FunctionImporter.h"
#include "lib/Import/ONNX/FunctionInputs.h"
#include "lib/Import/ONNX/Inline.h"
#include "lib/Import/ONNX/Logits.h"
#include "lib/Import/ONNX/NodeImporter.h"
#include "lib/Import/ONNX/Reader.h"
#include "lib/Import/ONNX/StaticCaches.h"
#include "lib/Support/Names.h"
#include "runtime/io/GGUFWriter.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/Math/IR/Math.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "mlir/IR/MLIRContext.h"
#include "llvm/ADT/STLExtras.h"

using namespace mlir;

namespace lamina {
namespace {

using onnx::ValueId;

class DecoderImporter {
public:
  /// `longest`: the largest context that the model was probed at, beyond which nothing is known of its masks.
  DecoderImporter(MLIRContext &context, const onnx::Model &model,
                  const std::vector<onnx::ProbedValue> &probed, int64_t longest, const ImportOptions &options)
      : context_(context), model_(model), probed_(probed), longest_(longest), options_(options), b_(&context),
        fileLoc_(FileLineColLoc::get(&context, model.path(), 0, 0)) {}

  FailureOr<OwningOpRef<ModuleOp>> run() {
    OwningOpRef<ModuleOp> module = ModuleOp::create(fileLoc_);
    FailureOr<ValueId> logits = findLogits();
    FailureOr<SmallVector<onnx::CacheInputs>> inputs =
        failed(logits) ? FailureOr<SmallVector<onnx::CacheInputs>>(failure()) : findCaches();
    FailureOr<SmallVector<Type>> caches =
        failed(inputs) ? FailureOr<SmallVector<Type>>(failure()) : cacheTypes(*inputs);
    if (failed(caches))
      return failure();
    onnx::StepValues step = createStep(*module, *caches, probed_[*logits].dims.back().constant);
    step.inputs = *inputs;
    onnx::GraphWeights weights(*module, model_); // before the function, which is there already
    Value rows = outputRows_;
    onnx::NodeImporter nodes(model_, probed_, weights, std::move(step), b_, fileLoc_);
    std::vector<bool> wanted = onnx::neededFor(*logits, model_.graph, probed_);
    for (const onnx::Node &node : model_.graph.nodes) {
      bool any = llvm::any_of(node.outputs, [&](ValueId id) { return id != onnx::kAbsent && wanted[id]; });
      if (any && failed(nodes.import(node)))
        return failure();
    }
    Value result = nodes.find(*logits);
    if (!result)
      return emitError(namedLoc("logits", fileLoc_)) << "expected logits that depend on the tokens";
    result = lm::GatherRowsOp::create(b_, namedLoc("output", fileLoc_), result.getType(), result, rows);
    func::ReturnOp::create(b_, fileLoc_, result);
    if (failed(describe(*module, *caches, result, nodes.longestContext())))
      return failure();
    return module;
  }

private:
  FailureOr<ValueId> findLogits() {
    if (std::optional<ValueId> logits = onnx::logitsOf(model_.graph, probed_))
      return *logits;
    return emitError(fileLoc_) << "no output is logits, [batch, new tokens, vocabulary]: the outputs are "
                               << outputs();
  }

  /// The first of them with their shapes, and how many are left out: caches go out, too.
  std::string outputs() const {
    constexpr size_t kShown = 3;
    ArrayRef<ValueId> ids = model_.graph.outputs;
    std::string text;
    for (ValueId id : ids.take_front(kShown))
      text += (text.empty() ? "" : ", ") + quoted(toRef(model_.graph.values[id].name)) + ' ' +
              probed_[id].describe();
    return ids.size() > kShown ? text + " and " + std::to_string(ids.size() - kShown) + " more" : text;
  }

  /// The caches of the model: by fused attention where there is some, else by inputs that hold keys and values.
  FailureOr<SmallVector<onnx::CacheInputs>> findCaches() {
    SmallVector<onnx::CacheInputs> caches;
    auto isCache = [&](ValueId id, size_t rank) {
      return llvm::is_contained(model_.graph.inputs, id) && probed_[id].dims.size() == rank;
    };
    for (const onnx::Node &node : model_.graph.nodes) {
      std::optional<onnx::CacheOperands> operands = onnx::cacheOperands(node);
      if (!operands)
        continue;
      ValueId key = node.input(operands->keys), value = node.input(operands->values);
      size_t rank = key == value ? 5 : 4; // keys and values behind each other
      if (key == onnx::kAbsent || value == onnx::kAbsent || !isCache(key, rank) || !isCache(value, rank))
        return emitError(namedLoc(node.name, fileLoc_))
               << node.describe() << ": expected past keys and values that are inputs of the model";
      caches.push_back({key, value});
    }
    if (caches.empty())
      llvm::append_range(caches, onnx::pairedCaches(model_.graph));
    if (caches.empty())
      return emitError(fileLoc_)
             << "the inputs that hold past keys and values are an odd number; expected two for each layer";
    return caches;
  }

  FailureOr<SmallVector<Type>> cacheTypes(ArrayRef<onnx::CacheInputs> caches) {
    SmallVector<Type> types;
    for (const onnx::CacheInputs &cache : caches) {
      Location loc = namedLoc(model_.graph.values[cache.keys].name, fileLoc_);
      if (onnx::ElementType type = probed_[cache.keys].type;
          !onnx::isReal(type) || onnx::elementBits(type) < 16)
        return emitError(loc) << "is a cache of " << toRef(onnx::elementTypeName(type))
                              << ", which the model quantises by itself; export "
                              << "with caches of floats: --kv-type=q8_0 keeps them in eight bits";
      std::optional<std::pair<int64_t, int64_t>> keys = headsOf(cache.keys), values = headsOf(cache.values);
      if (!keys || !values || keys->first != values->first)
        return emitError(loc) << "expected keys and values, [1, heads, past tokens, length], got "
                              << probed_[cache.keys].describe() << " and "
                              << probed_[cache.values].describe();
      auto type =
          lm::KVCacheType::getChecked([&] { return emitError(loc); }, &context_, keys->first, keys->second,
                                      values->second, cacheElementType(context_, options_.cacheElement));
      if (!type)
        return failure();
      types.push_back(type);
    }
    return types;
  }

  /// Heads and their length: of pages, [pages, tokens of a page, heads, length], or of the past, in which tokens are counted,
  /// also of keys and values behind each other.
  std::optional<std::pair<int64_t, int64_t>> headsOf(ValueId cache) const {
    SmallVector<int64_t> sizes;
    ArrayRef<onnx::Affine> dims = probed_[cache].dims;
    if (dims.size() == 5)
      dims = dims.drop_front();
    if (dims.size() == 4 && llvm::all_of(dims, [](const onnx::Affine &dim) { return dim.isConstant(); }))
      return std::pair(dims[2].constant, dims[3].constant);
    for (const onnx::Affine &dim : dims.empty() ? dims : dims.drop_front())
      if (dim.isConstant())
        sizes.push_back(dim.constant);
      else if (dim != onnx::kPast)
        return std::nullopt;
    return dims.size() == 4 && sizes.size() == 2 ? std::optional(std::pair(sizes[0], sizes[1]))
                                                 : std::nullopt;
  }

  onnx::StepValues createStep(ModuleOp module, ArrayRef<Type> caches, int64_t vocabulary) {
    SmallVector<Type> arguments{lm::BatchType::get(&context_)};
    arguments.append(caches.begin(), caches.end());
    b_.setInsertionPointToEnd(module.getBody());
    auto type = RankedTensorType::get({ShapedType::kDynamic, vocabulary}, b_.getF32Type());
    auto function = func::FuncOp::create(b_, fileLoc_, "step", b_.getFunctionType(arguments, type));
    Block *entry = function.addEntryBlock();
    b_.setInsertionPointToStart(entry);
    auto field = [&](lm::BatchField which) -> Value {
      SmallVector<int64_t> shape(which == lm::BatchField::block_table ? 2 : 1, ShapedType::kDynamic);
      return lm::BatchFieldOp::create(b_, namedLoc("batch", fileLoc_),
                                      RankedTensorType::get(shape, b_.getI32Type()), entry->getArgument(0),
                                      which);
    };
    onnx::StepValues step{field(lm::BatchField::token_ids),
                          field(lm::BatchField::positions),
                          field(lm::BatchField::sequences),
                          field(lm::BatchField::block_table),
                          {},
                          {}};
    outputRows_ = field(lm::BatchField::output_rows);
    llvm::append_range(step.caches, entry->getArguments().drop_front());
    return step;
  }

  LogicalResult describe(ModuleOp module, ArrayRef<Type> caches, Value logits,
                         std::optional<int64_t> longest) {
    int64_t trained = std::min(longest_, longest.value_or(longest_));
    int64_t context =
        options_.contextLength ? options_.contextLength : std::min<int64_t>(trained, lm::kDefaultContext);
    if (context > trained)
      return emitError(fileLoc_) << "the model takes " << trained << " positions, but a context of "
                                 << context << " was asked for; ask for 1 to " << trained;
    int64_t hidden = 0;
    module.walk([&](lm::EmbeddingOp op) { hidden = op.getResult().getType().getShape().back(); });
    module->setAttr("lm.architecture", b_.getStringAttr("onnx"));
    module->setAttr("lm.name", b_.getStringAttr(nameOfONNX(model_.path())));
    module->setAttr("lm.layers", b_.getI64IntegerAttr(caches.size()));
    module->setAttr("lm.hidden_size", b_.getI64IntegerAttr(hidden));
    module->setAttr("lm.vocab_size",
                    b_.getI64IntegerAttr(cast<RankedTensorType>(logits.getType()).getDimSize(1)));
    module->setAttr("lm.context_length", b_.getI64IntegerAttr(context));
    module->setAttr("lm.trained_context", b_.getI64IntegerAttr(trained));
    SmallVector<StringRef> paths;
    for (const onnx::ModelFile &file : model_.files)
      paths.push_back(file.path);
    module->setAttr("lm.files", b_.getStrArrayAttr(paths));
    return success();
  }

  MLIRContext &context_;
  const onnx::Model &model_;
  const std::vector<onnx::ProbedValue> &probed_;
  int64_t longest_;
  const ImportOptions &options_;
  OpBuilder b_;
  Location fileLoc_;
  Value outputRows_;
};

absl::StatusOr<onnx::Model> readFlat(const std::string &path, bool allowMissingData) {
  LAMINA_ASSIGN_OR_RETURN(onnx::Model model, onnx::readModel(path, {.allowMissingData = allowMissingData}));
  return onnx::inlined(std::move(model));
}

/// The values of a decoder as its importer reads them, at contexts up to `longest`.
absl::StatusOr<std::vector<onnx::ProbedValue>> readValues(const onnx::Model &model,
                                                          const ImportOptions &options, int64_t &longest) {
  LAMINA_ASSIGN_OR_RETURN(std::vector<onnx::ProbedValue> probed,
                          onnx::probe(model, {.sizes = options.sizes, .longest = longest}));
  onnx::readLastToken(model.graph, probed);
  LAMINA_RETURN_IF_ERROR(onnx::checkShapes(model.graph, probed));
  LAMINA_ASSIGN_OR_RETURN(std::optional<int64_t> room, onnx::readStaticCaches(model.graph, probed));
  longest = std::min(longest, room.value_or(longest));
  return probed;
}

/// The same; a model whose tables are short fails where it is asked for more, so `longest` becomes what it can do.
absl::StatusOr<std::vector<onnx::ProbedValue>> probeUpTo(const onnx::Model &model,
                                                         const ImportOptions &options, int64_t &longest) {
  constexpr int64_t kShortest = 32;
  absl::StatusOr<std::vector<onnx::ProbedValue>> probed = readValues(model, options, longest);
  while (!probed.ok() && longest / 2 >= kShortest)
    probed = readValues(model, options, longest /= 2);
  return probed;
}

ModelFiles filesOf(onnx::Model model) {
  struct Owner {
    onnx::Model model;
    onnx::ComputedPart computed;

    explicit Owner(onnx::Model given) : model(std::move(given)), computed(model) {}
  };
  auto owner = std::make_shared<Owner>(std::move(model));
  ModelFiles files;
  for (const onnx::ModelFile &file : owner->model.files)
    files.files.push_back({file.path, file.bytes});
  // The owner lives as long as the files do.
  const onnx::ComputedPart &computed = owner->computed;
  auto read = [&computed](uint64_t offset, std::span<uint8_t> out) { return computed.read(offset, out); };
  files.files.push_back({owner->model.path() + " (computed)", {}, computed.size(), read});
  files.vocabulary = GGUFWriter().finish();
  files.owner = std::move(owner);
  return files;
}

} // namespace

FailureOr<Model> importONNX(MLIRContext &context, StringRef path, const ImportOptions &options) {
  context.loadDialect<lm::LMDialect, func::FuncDialect, arith::ArithDialect, math::MathDialect,
                      tensor::TensorDialect, linalg::LinalgDialect>();
  Location loc = FileLineColLoc::get(&context, path, 0, 0);
  absl::StatusOr<onnx::Model> model = readFlat(path.str(), options.allowMissingData);
  if (!model.ok())
    return emitError(loc) << toRef(model.status().message());
  if (absl::Status status = onnx::checkNames(model->graph, options); !status.ok())
    return emitError(loc) << toRef(status.message());
  if (!onnx::isDecoder(model->graph)) {
    FailureOr<OwningOpRef<ModuleOp>> module = onnx::importFunction(context, *model, options);
    if (failed(module))
      return failure();
    return Model{filesOf(std::move(*model)), std::move(*module)};
  }
  int64_t longest = std::max<int64_t>(options.contextLength, lm::kDefaultContext);
  absl::StatusOr<std::vector<onnx::ProbedValue>> probed = probeUpTo(*model, options, longest);
  if (!probed.ok())
    return emitError(loc) << toRef(probed.status().message());
  FailureOr<OwningOpRef<ModuleOp>> module = DecoderImporter(context, *model, *probed, longest, options).run();
  if (failed(module))
    return failure();
  return Model{filesOf(std::move(*model)), std::move(*module)};
}

absl::StatusOr<ModelFiles> openONNXFiles(const std::string &path) {
  LAMINA_ASSIGN_OR_RETURN(onnx::Model model, readFlat(path, false));
  return filesOf(std::move(model));
}

} // namespace lamina
