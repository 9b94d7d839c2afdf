//===- FunctionImporter.cpp - ONNX graphs without caches to upstream dialects ---------------------------===//

#include "lib/Import/ONNX/FunctionImporter.h"

#include "lib/Import/ModelPath.h"
#include "lib/Import/ONNX/AttentionNodes.h"
#include "lib/Import/ONNX/Evaluator.h"
#include "lib/Import/ONNX/FunctionInputs.h"
#include "lib/Import/ONNX/GraphWeights.h"
#include "lib/Import/ONNX/Lowering.h"
#include "lib/Import/ONNX/ProbeInputs.h"
#include "lib/Import/ONNX/TensorAttention.h"
#include "lib/Support/Names.h"

#include "mlir/Dialect/Func/IR/FuncOps.h"
#include "mlir/Dialect/Linalg/IR/Linalg.h"
#include "mlir/Dialect/SCF/IR/SCF.h"
#include "mlir/Dialect/Tensor/IR/Tensor.h"
#include "llvm/ADT/STLExtras.h"

using namespace mlir;

namespace lamina::onnx {

namespace {

/// For rows that look at attributes alone: subgraphs are not compiled, constants of attributes are read by the evaluator.
class LoweringHost : public OpHost {
public:
  explicit LoweringHost(const Evaluator &evaluator) : evaluator_(evaluator) {}
  absl::StatusOr<std::vector<Tensor>> subgraph(const Graph &, std::vector<Tensor>) override {
    return absl::UnimplementedError("a subgraph is not compiled");
  }
  absl::StatusOr<Tensor> constant(const TensorConstant &constant) override {
    return evaluator_.constant(constant);
  }
  bool spend(int64_t) override { return true; }

private:
  const Evaluator &evaluator_;
};

/// What nodes with known inputs may cost, and their results take, to be computed here. Larger ones are computed when the model runs:
/// they read weights.
constexpr Limits kFolding{.elements = 1 << 20, .work = int64_t{1} << 31, .leaveLarge = true};
/// Constants of more elements are weights, if they are f32, others lie in the code.
constexpr int64_t kLargestInCode = 64;

class FunctionImporter {
public:
  FunctionImporter(MLIRContext &context, const Model &model, const ImportOptions &options)
      : model_(model), options_(options), evaluator_(model, kFolding), b_(&context),
        fileLoc_(FileLineColLoc::get(&context, model.path(), 0, 0)), tensors_(model.graph.values.size()),
        values_(model.graph.values.size()), operations_(model.graph.nodes.size()) {}

  FailureOr<OwningOpRef<ModuleOp>> run() {
    OwningOpRef<ModuleOp> module = ModuleOp::create(fileLoc_);
    weights_.emplace(*module, model_);
    b_.setInsertionPointToEnd(module->getBody());
    if (failed(readConstants()) || failed(createFunction()))
      return failure();
    for (const Node &node : model_.graph.nodes)
      if (failed(import(node)))
        return failure();
    markAttention();
    if (failed(createReturn()))
      return failure();
    (*module)->setAttr("lm.name", b_.getStringAttr(nameOfONNX(model_.path())));
    SmallVector<StringRef> paths;
    for (const ModelFile &file : model_.files)
      paths.push_back(file.path);
    (*module)->setAttr("lm.files", b_.getStrArrayAttr(paths));
    return module;
  }

private:
  LogicalResult check(const absl::Status &status, Location loc) {
    return status.ok() ? success() : LogicalResult(emitError(loc) << toRef(status.message()));
  }
  Location locOf(const Node &node) { return namedLoc(node.name.empty() ? node.op : node.name, fileLoc_); }
  Location locOf(ValueId id) { return namedLoc(model_.graph.values[id].name, fileLoc_); }
  const std::string &nameOf(ValueId id) { return model_.graph.values[id].name; }

  LogicalResult checkNode(const absl::Status &status, const Node &node) {
    bool needsElements = absl::IsFailedPrecondition(status);
    return status.ok()
               ? success()
               : LogicalResult(emitError(locOf(node))
                               << toRef(status.message())
                               << toRef(needsElements ? remedyFor(model_.graph, tensors_, node) : ""));
  }

  LogicalResult readConstants() {
    for (const auto &[id, constant] : model_.graph.constants) {
      absl::StatusOr<Tensor> tensor = evaluator_.constant(constant);
      if (!tensor.ok())
        return check(tensor.status(), locOf(id));
      tensors_[id] = *std::move(tensor);
    }
    return success();
  }

  DictionaryAttr portAttrs(ValueId id, std::string_view port) {
    auto text = [&](const char *name, std::string_view value) {
      return b_.getNamedAttr(name, b_.getStringAttr(toRef(value)));
    };
    return b_.getDictionaryAttr({text("plan.element", elementTypeName(tensors_[id].type())),
                                 text("plan.name", nameOf(id)), text("plan.port", port)});
  }

  FailureOr<RankedTensorType> storedType(const Tensor &tensor, Location loc) {
    mlir::Type element = Scalars::storage(b_.getContext(), tensor.type());
    if (!element)
      return emitError(loc) << "elements of type " << toRef(elementTypeName(tensor.type()))
                            << " are not compiled yet";
    return RankedTensorType::get(tensor.dims(), element);
  }

  LogicalResult createFunction() {
    SmallVector<mlir::Type> types;
    SmallVector<DictionaryAttr> attrs;
    SmallVector<ValueId> arguments;
    for (ValueId id : model_.graph.inputs) {
      absl::StatusOr<Tensor> tensor = inputTensor(model_.graph.values[id], options_);
      if (!tensor.ok())
        return emitError(locOf(id)) << "input: " << toRef(tensor.status().message());
      tensors_[id] = *std::move(tensor);
      if (tensors_[id].hasData())
        continue;
      FailureOr<RankedTensorType> type = storedType(tensors_[id], locOf(id));
      if (failed(type))
        return failure();
      NamedAttrList list(portAttrs(id, "input"));
      list.set("bufferization.writable", b_.getBoolAttr(false)); // memory that the caller fills once
      types.push_back(*type);
      attrs.push_back(list.getDictionary(b_.getContext()));
      arguments.push_back(id);
    }
    function_ = func::FuncOp::create(b_, fileLoc_, "main", b_.getFunctionType(types, {}), {}, attrs);
    Block *entry = function_.addEntryBlock();
    for (auto [id, argument] : llvm::zip(arguments, entry->getArguments()))
      values_[id] = argument;
    b_.setInsertionPointToStart(entry);
    return success();
  }

  mlir::Value weight(ValueId id, RankedTensorType type) {
    lm::WeightOp weight = weights_->elements(id);
    mlir::Value flat = lm::GetWeightOp::create(b_, locOf(id), weight.getTensorType(), weight.getSymName());
    if (type.getRank() == 1)
      return flat;
    SmallVector<ReassociationIndices> axes{llvm::to_vector<2>(llvm::seq<int64_t>(0, type.getRank()))};
    return tensor::ExpandShapeOp::create(b_, locOf(id), type, flat, axes);
  }

  /// A value of the graph as a tensor; constants come into being where they are first used.
  FailureOr<mlir::Value> valueOf(ValueId id) {
    if (values_[id])
      return values_[id];
    const Tensor &tensor = tensors_[id];
    FailureOr<RankedTensorType> type = storedType(tensor, locOf(id));
    if (failed(type))
      return failure();
    OpBuilder::InsertionGuard guard(b_);
    b_.setInsertionPointToStart(&function_.getBody().front());
    if (weights_->find(id) && tensor.type() == ElementType::Float && tensor.count() > kLargestInCode)
      return values_[id] = weight(id, *type);
    if (!tensor.hasData())
      return emitError(locOf(id)) << "its elements are in a file that is not there";
    values_[id] = arith::ConstantOp::create(b_, locOf(id), elementsOf(tensor, *type));
    return values_[id];
  }

  static DenseElementsAttr elementsOf(const Tensor &tensor, RankedTensorType type) {
    if (tensor.type() == ElementType::Bool) {
      SmallVector<bool> bits;
      for (int64_t i = 0; i < tensor.count(); ++i)
        bits.push_back(tensor.integer(i));
      return DenseElementsAttr::get(type, bits);
    }
    auto bytes = tensor.bytes();
    return DenseElementsAttr::getFromRawBuffer(type,
                                               {reinterpret_cast<const char *>(bytes.data()), bytes.size()});
  }

  LogicalResult import(const Node &node) {
    Location loc = locOf(node);
    std::vector<Tensor> operands;
    for (ValueId id : node.inputs)
      operands.push_back(id == kAbsent ? Tensor() : tensors_[id]);
    absl::StatusOr<std::vector<Tensor>> results = evaluator_.node(node, operands, tensors_);
    if (!results.ok())
      return checkNode(results.status(), node);
    bool known = true;
    for (auto [id, result] : llvm::zip(node.outputs, *results))
      if (id != kAbsent) {
        tensors_[id] = result;
        known &= result.hasData();
      }
    return known ? success() : lower(node, std::move(operands), loc);
  }

  LogicalResult lower(const Node &node, std::vector<Tensor> operands, Location loc) {
    auto opset = model_.opsets.find(node.domain);
    int64_t version = opset == model_.opsets.end() ? 1 : opset->second;
    const LoweringRow *row = findLowering(node);
    if (!row)
      return emitError(loc) << toRef(node.describe()) << ": operator " << toRef(node.op) << " of "
                            << (node.domain.empty() ? "ai.onnx" : toRef(node.domain)) << " at opset "
                            << version << " is not compiled yet"
                            << (node.op == "If" || node.op == "Loop" ? remedyFor(model_.graph, tensors_, node)
                                                                     : "");
    SmallVector<mlir::Value> inputs;
    for (ValueId id : node.inputs) {
      FailureOr<mlir::Value> value = id == kAbsent ? FailureOr<mlir::Value>(mlir::Value()) : valueOf(id);
      if (failed(value))
        return failure();
      inputs.push_back(*value);
    }
    for (ValueId id : node.outputs)
      if (id != kAbsent && failed(storedType(tensors_[id], loc)))
        return failure();
    AppendedOperations appended(b_);
    LoweringHost host(evaluator_);
    OpContext context(node, version, std::move(operands), host);
    Lowering lowering(context, inputs, b_, loc);
    // The rule once more, in the context that the row sees: what neither reads of the attributes is refused below.
    if (failed(checkNode((*findRow(node, version))->rule(context), node)) ||
        failed(checkNode(row->lower(lowering), node)) || failed(checkNode(context.attributeError(), node)))
      return failure();
    if (!lowering.s.imprecise.empty())
      return emitError(loc) << toRef(node.describe()) << ": " << lowering.s.imprecise
                            << " is not computed in double precision yet; export the model in float32";
    for (auto [i, id] : llvm::enumerate(node.outputs))
      if (id != kAbsent)
        values_[id] = lowering.result(i);
    SmallVector<Operation *> &operations = operations_[&node - model_.graph.nodes.data()];
    operations = appended.get();
    return checkNode(checkTypes(context, operations), node);
  }

  /// Fused operators are marked as they are lowered; here what is spelled out.
  void markAttention() {
    auto opset = model_.opsets.find("");
    for (const AttentionNodes &found :
         findAttentionNodes(model_.graph, opset == model_.opsets.end() ? 1 : opset->second, tensors_)) {
      bool linear = found.kind == AttentionNodes::Kind::Linear;
      AttentionFrame frame{linear ? lm::AttentionKind::linear : lm::AttentionKind::softmax,
                           values_[found.query],
                           values_[found.key],
                           values_[found.value],
                           {}};
      SmallVector<ValueId> ids;
      for (size_t i : found.nodes) {
        llvm::append_range(frame.operations, operations_[i]);
        for (ValueId id : model_.graph.nodes[i].outputs)
          if (id != kAbsent && (i == found.nodes.back() || llvm::is_contained(model_.graph.outputs, id)))
            ids.push_back(id);
      }
      SmallVector<mlir::Value> results = llvm::map_to_vector(ids, [&](ValueId id) { return values_[id]; });
      SmallVector<mlir::Value> inner = results;
      frameAttention(frame, results);
      for (mlir::Value &value : values_) // what passes a result on has the same value
        if (auto it = llvm::find(inner, value); value && it != inner.end())
          value = results[it - inner.begin()];
    }
  }

  /// A result that is an argument or another result as well becomes a copy: each has memory of its own.
  LogicalResult createReturn() {
    SmallVector<mlir::Value> results;
    SmallVector<DictionaryAttr> attrs;
    for (ValueId id : model_.graph.outputs) {
      FailureOr<mlir::Value> value = valueOf(id);
      if (failed(value))
        return failure();
      if (isa<BlockArgument>(*value) || llvm::is_contained(results, *value)) {
        mlir::Value memory =
            tensor::EmptyOp::create(b_, locOf(id), cast<RankedTensorType>(value->getType()), ValueRange());
        value = linalg::CopyOp::create(b_, locOf(id), *value, memory).getResult(0);
      }
      results.push_back(*value);
      attrs.push_back(portAttrs(id, "output"));
    }
    auto type = b_.getFunctionType(function_.getArgumentTypes(), ValueRange(results).getTypes());
    function_.setType(type);
    function_.setAllResultAttrs(attrs);
    func::ReturnOp::create(b_, fileLoc_, results);
    return success();
  }

  const Model &model_;
  const ImportOptions &options_;
  Evaluator evaluator_;
  OpBuilder b_;
  Location fileLoc_;
  std::vector<Tensor> tensors_;                      // by value: type, shape, and elements where known
  std::vector<mlir::Value> values_;                  // by value: what computes it
  std::vector<SmallVector<Operation *>> operations_; // by node: what it became
  func::FuncOp function_;
  std::optional<GraphWeights> weights_;
};

} // namespace

FailureOr<OwningOpRef<ModuleOp>> importFunction(MLIRContext &context, const Model &model,
                                                const ImportOptions &options) {
  context.loadDialect<arith::ArithDialect, func::FuncDialect, linalg::LinalgDialect, math::MathDialect,
                      scf::SCFDialect, tensor::TensorDialect>();
  return FunctionImporter(context, model, options).run();
}

} // namespace lamina::onnx
