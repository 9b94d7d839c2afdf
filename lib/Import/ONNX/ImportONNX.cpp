//===- ImportONNX.cpp - ONNX decoders to the lm dialect -------------------------------------------------===//

#include "lib/Import/ONNX/ImportONNX.h"

#include "dialects/LM/Transforms/Passes.h"
#include "lib/Import/ONNX/Inline.h"
#include "lib/Import/ONNX/NodeImporter.h"
#include "lib/Import/ONNX/Reader.h"
#include "lib/Support/Names.h"
#include "runtime/io/GGUFWriter.h"

#include "mlir/Dialect/Arith/IR/Arith.h"
#include "mlir/IR/MLIRContext.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/Support/Path.h"

using namespace mlir;

namespace lamina {
namespace {

using onnx::ValueId;

class DecoderImporter {
public:
  /// `longest`: the largest context that the model was probed at, beyond which nothing is known of its masks.
  DecoderImporter(MLIRContext &context, const onnx::Model &model, const std::vector<onnx::ProbedValue> &probed,
                  int64_t longest, const ImportOptions &options)
      : context_(context), model_(model), probed_(probed), longest_(longest), options_(options), b_(&context),
        fileLoc_(FileLineColLoc::get(&context, model.path(), 0, 0)) {}

  FailureOr<OwningOpRef<ModuleOp>> run() {
    OwningOpRef<ModuleOp> module = ModuleOp::create(fileLoc_);
    FailureOr<ValueId> logits = findLogits();
    FailureOr<SmallVector<Type>> caches = failed(logits) ? FailureOr<SmallVector<Type>>(failure()) : cacheTypes();
    if (failed(caches))
      return failure();
    onnx::StepValues step = createStep(*module, *caches, probed_[*logits].dims.back().constant);
    onnx::GraphWeights weights(*module, model_); // before the function, which is there already
    Value rows = outputRows_;
    onnx::NodeImporter nodes(model_, probed_, weights, std::move(step), b_, fileLoc_);
    for (const onnx::Node &node : model_.graph.nodes)
      if (failed(nodes.import(node)))
        return failure();
    Value result = nodes.find(*logits);
    if (!result)
      return emitError(namedLoc("logits", fileLoc_)) << "expected logits that depend on the tokens";
    func::ReturnOp::create(b_, fileLoc_, gatherEarly(result, rows));
    if (failed(describe(*module, *caches, result, nodes.longestContext())))
      return failure();
    return module;
  }

private:
  /// The output [batch, tokens, vocabulary].
  FailureOr<ValueId> findLogits() {
    for (ValueId id : model_.graph.outputs) {
      const onnx::ProbedValue &value = probed_[id];
      if (value.dims.size() == 3 && onnx::isReal(value.type) && value.dims[1] == onnx::Affine{0, 1, 0} &&
          value.dims[2].isConstant())
        return id;
    }
    return emitError(fileLoc_) << "no output is logits, [batch, new tokens, vocabulary]: not a decoder with a cache, which is "
                                  "all that can be compiled from ONNX yet";
  }

  /// What each attention caches, [batch, heads, past, length] in the file.
  FailureOr<SmallVector<Type>> cacheTypes() {
    SmallVector<Type> types;
    for (const onnx::Node &node : model_.graph.nodes) {
      std::optional<size_t> first = onnx::firstCacheInput(node);
      if (!first)
        continue;
      ValueId key = node.input(*first), value = node.input(*first + 1);
      auto isCache = [&](ValueId id) {
        return llvm::is_contained(model_.graph.inputs, id) && probed_[id].dims.size() == 4 &&
               probed_[id].dims[1].isConstant() && probed_[id].dims[3].isConstant();
      };
      if (key == onnx::kAbsent || value == onnx::kAbsent || !isCache(key) || !isCache(value))
        return emitError(namedLoc(node.name, fileLoc_))
               << node.describe() << ": expected past keys and values that are inputs of the model";
      auto type = lm::KVCacheType::getChecked([&] { return emitError(namedLoc(node.name, fileLoc_)); }, &context_,
                                              probed_[key].dims[1].constant, probed_[key].dims[3].constant,
                                              probed_[value].dims[3].constant,
                                              cacheElementType(context_, options_.cacheElement));
      if (!type)
        return failure();
      types.push_back(type);
    }
    if (types.empty())
      return emitError(fileLoc_) << "no attention found: expected MultiHeadAttention or GroupQueryAttention of com.microsoft; "
                                    "attention that is written as products and a softmax is not raised yet";
    return types;
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
      return lm::BatchFieldOp::create(b_, namedLoc("batch", fileLoc_), RankedTensorType::get(shape, b_.getI32Type()),
                                      entry->getArgument(0), which);
    };
    onnx::StepValues step{field(lm::BatchField::token_ids), field(lm::BatchField::positions),
                          field(lm::BatchField::sequences), field(lm::BatchField::block_table), {}};
    outputRows_ = field(lm::BatchField::output_rows);
    llvm::append_range(step.caches, entry->getArguments().drop_front());
    return step;
  }

  /// Logits of the wanted rows: rows are picked before what works on each of them by itself, so that a prompt's other tokens
  /// pay for neither norm nor head.
  Value gatherEarly(Value logits, Value rows) {
    Value source = logits;
    SmallVector<Operation *> after;
    auto worksOnRows = [](Operation *op) {
      return isa_and_nonnull<lm::LinearOp, lm::RMSNormOp, lm::LayerNormOp, lm::ScaleOp, lm::SoftCapOp, lm::BiasAddOp>(op);
    };
    while (source.hasOneUse() || source == logits) {
      Operation *op = source.getDefiningOp();
      if (!worksOnRows(op))
        break;
      after.push_back(op);
      source = op->getOperand(0);
    }
    Location loc = namedLoc("output", fileLoc_);
    Value gathered = lm::GatherRowsOp::create(b_, loc, source.getType(), source, rows);
    for (Operation *op : llvm::reverse(after)) {
      op->moveBefore(b_.getInsertionBlock(), b_.getInsertionPoint());
      op->setOperand(0, gathered);
      gathered = op->getResult(0);
    }
    return gathered;
  }

  LogicalResult describe(ModuleOp module, ArrayRef<Type> caches, Value logits, std::optional<int64_t> longest) {
    int64_t trained = std::min(longest_, longest.value_or(longest_));
    int64_t context = options_.contextLength ? options_.contextLength : std::min<int64_t>(trained, lm::kDefaultContext);
    if (context > trained)
      return emitError(fileLoc_) << "the model takes " << trained << " positions, but a context of " << context
                                 << " was asked for; ask for 1 to " << trained;
    int64_t hidden = 0;
    module.walk([&](lm::EmbeddingOp op) { hidden = op.getResult().getType().getShape().back(); });
    module->setAttr("lm.architecture", b_.getStringAttr("onnx"));
    module->setAttr("lm.name", b_.getStringAttr(nameOf(model_.path())));
    module->setAttr("lm.layers", b_.getI64IntegerAttr(caches.size()));
    module->setAttr("lm.hidden_size", b_.getI64IntegerAttr(hidden));
    module->setAttr("lm.vocab_size", b_.getI64IntegerAttr(cast<RankedTensorType>(logits.getType()).getDimSize(1)));
    module->setAttr("lm.context_length", b_.getI64IntegerAttr(context));
    module->setAttr("lm.trained_context", b_.getI64IntegerAttr(trained));
    SmallVector<StringRef> paths;
    for (const onnx::ModelFile &file : model_.files)
      paths.push_back(file.path);
    module->setAttr("lm.files", b_.getStrArrayAttr(paths));
    return success();
  }

  /// The folder where the file has the name that all exports have.
  static StringRef nameOf(StringRef path) {
    StringRef folder = llvm::sys::path::filename(llvm::sys::path::parent_path(path));
    return llvm::sys::path::stem(path) == "model" && !folder.empty() ? folder : llvm::sys::path::stem(path);
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

ModelFiles filesOf(onnx::Model model) {
  struct Owner {
    onnx::Model model;
    std::string folded;
  };
  auto owner = std::make_shared<Owner>();
  owner->folded = onnx::foldedConstants(model).bytes;
  owner->model = std::move(model);
  ModelFiles files;
  for (const onnx::ModelFile &file : owner->model.files)
    files.files.push_back({file.path, file.bytes});
  auto *folded = reinterpret_cast<const uint8_t *>(owner->folded.data());
  files.files.push_back({owner->model.path() + " (computed constants)", {folded, owner->folded.size()}});
  files.vocabulary = GGUFWriter().finish();
  files.owner = std::move(owner);
  return files;
}

} // namespace

FailureOr<Model> importONNX(MLIRContext &context, StringRef path, const ImportOptions &options) {
  context.loadDialect<lm::LMDialect, func::FuncDialect, arith::ArithDialect>();
  Location loc = FileLineColLoc::get(&context, path, 0, 0);
  absl::StatusOr<onnx::Model> model = readFlat(path.str(), options.allowMissingData);
  if (!model.ok())
    return emitError(loc) << toRef(model.status().message());
  // A model whose tables are short fails where it is asked for more.
  constexpr int64_t kShortest = 32;
  int64_t longest = std::max<int64_t>(options.contextLength, lm::kDefaultContext);
  absl::StatusOr<std::vector<onnx::ProbedValue>> probed = onnx::probe(*model, {.longest = longest});
  for (; !probed.ok() && longest / 2 >= kShortest; probed = onnx::probe(*model, {.longest = longest}))
    longest /= 2;
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
