//===- Inline.cpp - emits the nodes of a model into a new graph -----------------------------------------===//
//
// One walk in the order of the nodes. A scope says what the values of the graph that is walked are in the new
// one; the bodies of functions and of branches are walked with scopes of their own, in the place of their
// node.
//
//===----------------------------------------------------------------------------------------------------===//

#include "lib/Import/ONNX/Inline.h"

#include "lib/Import/ONNX/BlockMatrix.h"
#include "lib/Import/ONNX/Clone.h"

#include <algorithm>
#include <set>

namespace lamina::onnx {

namespace {
/// Outside of functions nothing is referred to.
const Attribute *noAttributes(const std::string &) { return nullptr; }

class Inliner {
public:
  Inliner(Model &model, const InlineOptions &options, Evaluator &evaluator, size_t &steps)
      : model_(model), options_(options), evaluator_(evaluator), steps_(steps) {}

  absl::Status run() {
    Graph old = std::move(model_.graph);
    out_.name = old.name;
    Scope scope(old.values.size(), kAbsent);
    for (ValueId id : old.inputs) {
      const Value &value = old.values[id];
      bool taken =
          value.type.element == ElementType::Bool &&
          std::find(options_.taken.begin(), options_.taken.end(), value.name) != options_.taken.end();
      scope[id] = addValue(value, "");
      if (taken)
        addConstant(scope[id], Tensor::ofIntegers(std::vector<int64_t>{1}, {1}, ElementType::Bool));
      else
        out_.inputs.push_back(scope[id]);
    }
    LAMINA_RETURN_IF_ERROR(walk(old, scope, noAttributes, "", 0));
    LAMINA_RETURN_IF_ERROR(setOutputs(old, scope));
    dropUnused();
    model_.graph = std::move(out_);
    model_.functions.clear();
    return absl::OkStatus();
  }

private:
  using Scope = std::vector<ValueId>;

  ValueId addValue(const Value &value, const std::string &prefix) {
    out_.values.push_back(value);
    out_.values.back().name = strCat(prefix, value.name);
    return static_cast<ValueId>(out_.values.size()) - 1;
  }

  void addConstant(ValueId id, const Tensor &tensor) {
    TensorConstant constant;
    constant.name = out_.values[id].name;
    constant.type = tensor.type();
    constant.dims = tensor.dims();
    constant.data = tensor.toFile();
    out_.constants[id] = std::move(constant);
  }

  /// Emits a graph, whose inputs and captures are in scope.
  absl::Status walk(const Graph &graph, Scope &scope, const AttributeLookup &attributes,
                    const std::string &prefix, int depth) {
    if (depth > 64)
      return absl::InvalidArgumentError(
          strCat("functions call each other more than 64 deep, at '", prefix, "'"));
    for (const auto &[id, constant] : graph.constants) {
      scope[id] = addValue(graph.values[id], prefix);
      out_.constants[scope[id]] = constant;
    }
    for (const Node &node : graph.nodes)
      LAMINA_RETURN_IF_ERROR(emit(graph, node, scope, attributes, prefix, depth));
    return absl::OkStatus();
  }

  absl::Status emit(const Graph &graph, const Node &node, Scope &scope, const AttributeLookup &attributes,
                    const std::string &prefix, int depth) {
    if (++steps_ > options_.mostNodes)
      return absl::ResourceExhaustedError(strCat("more than ", options_.mostNodes, " nodes after inlining"));
    auto mapped = [&](ValueId id) { return id == kAbsent ? kAbsent : scope[id]; };
    if (const Function *function = find(node))
      return call(*function, node, scope, attributes, prefix, depth);
    Node copy = cloneNode(node, attributes, mapped);
    copy.name = node.name.empty() ? "" : strCat(prefix, node.name);
    for (ValueId id : node.inputs)
      copy.inputs.push_back(mapped(id));
    if (const Graph *branch = knownBranch(copy))
      return takeBranch(*branch, node, copy, scope, attributes, prefix, depth);
    if (copy.domain.empty() && copy.op == "Identity" && copy.inputs.size() == 1 && copy.input(0) != kAbsent &&
        node.outputs.size() == 1 && node.output(0) != kAbsent) {
      scope[node.outputs[0]] = copy.inputs[0];
      return absl::OkStatus();
    }
    for (ValueId id : node.outputs) {
      if (id != kAbsent)
        scope[id] = addValue(graph.values[id], prefix);
      copy.outputs.push_back(mapped(id));
    }
    LAMINA_RETURN_IF_ERROR(flattenSubgraphs(copy, depth));
    LAMINA_ASSIGN_OR_RETURN(bool isFolded, fold(copy));
    if (!isFolded)
      out_.nodes.push_back(std::move(copy));
    return absl::OkStatus();
  }

  /// Functions are called in the subgraphs of nodes that stay, too.
  absl::Status flattenSubgraphs(Node &node, int depth) {
    for (Attribute &attribute : node.attributes)
      if (auto *graph = std::get_if<std::unique_ptr<Graph>>(&attribute.value)) {
        Inliner inner(model_, options_, evaluator_, steps_);
        LAMINA_RETURN_IF_ERROR(inner.flatten(**graph, depth + 1));
        **graph = std::move(inner.out_);
      }
    return absl::OkStatus();
  }

  absl::Status flatten(const Graph &graph, int depth) {
    out_.name = graph.name;
    Scope scope(graph.values.size(), kAbsent);
    for (const Graph::Capture &capture : graph.captures) {
      scope[capture.inner] = addValue(graph.values[capture.inner], "");
      out_.captures.push_back({scope[capture.inner], capture.outer});
    }
    for (ValueId id : graph.inputs)
      out_.inputs.push_back(scope[id] = addValue(graph.values[id], ""));
    LAMINA_RETURN_IF_ERROR(walk(graph, scope, noAttributes, "", depth));
    LAMINA_RETURN_IF_ERROR(setOutputs(graph, scope));
    dropUnused();
    return absl::OkStatus();
  }

  const Function *find(const Node &node) const {
    for (const Function &function : model_.functions)
      if (function.name == node.op && function.domain == node.domain && function.overload == node.overload)
        return &function;
    return nullptr;
  }

  /// Nodes carry no opset of their own, so a body must mean the same at the model's.
  absl::Status checkOpsets(const Function &function, const Node &inner) const {
    auto own = function.opsets.find(inner.domain);
    auto models = model_.opsets.find(inner.domain);
    if (own == function.opsets.end() || models == model_.opsets.end() || own->second == models->second)
      return absl::OkStatus();
    absl::StatusOr<const OpRow *> a = findRow(inner, own->second), b = findRow(inner, models->second);
    if (a.ok() && b.ok() && *a == *b)
      return absl::OkStatus();
    return absl::UnimplementedError(strCat(inner.describe(), " of function ", quoteName(function.name),
                                           " is of opset ", own->second, ", the model of ", models->second));
  }

  absl::Status call(const Function &function, const Node &node, Scope &scope, const AttributeLookup &outer,
                    const std::string &prefix, int depth) {
    Scope body(function.body.values.size(), kAbsent);
    if (node.inputs.size() > function.body.inputs.size() ||
        node.outputs.size() > function.body.outputs.size())
      return absl::InvalidArgumentError(
          strCat(node.describe(), ": has more inputs or outputs than the function ", function.name));
    for (size_t i = 0; i < function.body.inputs.size(); ++i)
      body[function.body.inputs[i]] = node.input(i) == kAbsent ? kAbsent : scope[node.input(i)];
    for (const Node &inner : function.body.nodes)
      LAMINA_RETURN_IF_ERROR(checkOpsets(function, inner));
    // The call's own attributes may refer to those of the function that it is in.
    Node caller = cloneNode(node, outer, [&](ValueId id) { return scope[id]; });
    AttributeLookup attributes = [&](const std::string &name) -> const Attribute * {
      if (const Attribute *given = caller.find(name))
        return given;
      for (const Attribute &fallback : function.defaults)
        if (fallback.name == name)
          return &fallback;
      return nullptr;
    };
    std::string inside =
        strCat(prefix, node.name.empty() ? strCat(node.op, "_", node.number) : node.name, "/");
    if (!model_.opsets.count(function.domain))
      return absl::InvalidArgumentError(
          strCat(node.describe(), ": the model imports no opset of its domain"));
    for (const auto &[domain, version] : function.opsets)
      model_.opsets.try_emplace(domain, version);
    LAMINA_RETURN_IF_ERROR(walk(function.body, body, attributes, inside, depth + 1));
    bind(node, function.body, body, scope);
    return absl::OkStatus();
  }

  /// What a graph's outputs are becomes what the node's are.
  void bind(const Node &node, const Graph &body, const Scope &inner, Scope &scope) {
    for (size_t i = 0; i < node.outputs.size() && i < body.outputs.size(); ++i)
      if (node.outputs[i] != kAbsent)
        scope[node.outputs[i]] = inner[body.outputs[i]];
  }

  /// The branch of an If whose condition is a constant, or null.
  const Graph *knownBranch(const Node &node) const {
    if (node.op != "If" || !node.domain.empty() || node.input(0) == kAbsent)
      return nullptr;
    auto condition = out_.constants.find(node.input(0));
    if (condition == out_.constants.end())
      return nullptr;
    absl::StatusOr<Tensor> value = evaluator_.constant(condition->second);
    if (!value.ok() || !value->hasData() || value->count() != 1)
      return nullptr;
    const Attribute *branch = node.find(value->integer(0) ? "then_branch" : "else_branch");
    const auto *graph = branch ? std::get_if<std::unique_ptr<Graph>>(&branch->value) : nullptr;
    return graph ? graph->get() : nullptr;
  }

  absl::Status takeBranch(const Graph &branch, const Node &node, const Node &copy, Scope &scope,
                          const AttributeLookup &attributes, const std::string &prefix, int depth) {
    Scope inner(branch.values.size(), kAbsent);
    for (const Graph::Capture &capture : branch.captures) // of the copy: mapped already
      inner[capture.inner] = capture.outer;
    if (branch.outputs.size() < node.outputs.size())
      return absl::InvalidArgumentError(strCat(node.describe(), ": its branch has too few outputs"));
    LAMINA_RETURN_IF_ERROR(walk(branch, inner, attributes, prefix, depth + 1));
    bind(node, branch, inner, scope);
    return absl::OkStatus();
  }

  /// Whether the node was replaced by constants.
  absl::StatusOr<bool> fold(const Node &node) {
    if (holdsBlockMatrix(out_, node))
      return false;
    std::vector<Tensor> inputs;
    for (ValueId id : node.inputs) {
      if (id == kAbsent) {
        inputs.emplace_back();
        continue;
      }
      auto constant = out_.constants.find(id);
      if (constant == out_.constants.end())
        return false;
      LAMINA_ASSIGN_OR_RETURN(Tensor tensor, evaluator_.constant(constant->second));
      if (!tensor.hasData())
        return false;
      inputs.push_back(std::move(tensor));
    }
    for (const Attribute &attribute : node.attributes) // they may capture what is not known
      if (attribute.kind == AttributeKind::Graph || attribute.kind == AttributeKind::Graphs)
        return false;
    absl::StatusOr<std::vector<Tensor>> results = evaluator_.node(node, std::move(inputs), {});
    if (!results.ok()) // who needs the node will say so better
      return false;
    for (size_t i = 0; i < node.outputs.size(); ++i)
      if (node.outputs[i] != kAbsent && !(*results)[i].hasData())
        return false;
    for (size_t i = 0; i < node.outputs.size(); ++i)
      if (node.outputs[i] != kAbsent)
        addConstant(node.outputs[i], (*results)[i]);
    return true;
  }

  /// Outputs keep their names. One that is an input, a constant or another output needs a value of its own.
  absl::Status setOutputs(const Graph &old, const Scope &scope) {
    std::set<ValueId> taken(out_.inputs.begin(), out_.inputs.end());
    for (const Graph::Capture &capture : out_.captures)
      taken.insert(capture.inner);
    for (ValueId id : old.outputs) {
      ValueId now = scope[id];
      if (now == kAbsent) // a function gives out an input that its call leaves out
        return absl::InvalidArgumentError(
            strCat("output ", quoteName(old.values[id].name), " is given by nothing"));
      if (!taken.insert(now).second || out_.constants.count(now)) {
        Node identity;
        identity.op = "Identity";
        identity.inputs = {now};
        identity.outputs = {now = addValue(old.values[id], "")};
        out_.nodes.push_back(std::move(identity));
      }
      out_.values[now].name = old.values[id].name;
      if (old.values[id].type.kind != Type::Kind::Unknown)
        out_.values[now].type = old.values[id].type;
      out_.outputs.push_back(now);
    }
    return absl::OkStatus();
  }

  void dropUnused() {
    std::vector<bool> used(out_.values.size(), false);
    auto use = [&](ValueId id) {
      if (id != kAbsent)
        used[id] = true;
    };
    std::for_each(out_.outputs.begin(), out_.outputs.end(), use);
    std::vector<Node> kept;
    for (auto node = out_.nodes.rbegin(); node != out_.nodes.rend(); ++node) {
      if (std::none_of(node->outputs.begin(), node->outputs.end(),
                       [&](ValueId id) { return id != kAbsent && used[id]; }))
        continue;
      std::for_each(node->inputs.begin(), node->inputs.end(), use);
      for (const Attribute &attribute : node->attributes)
        if (const auto *graph = std::get_if<std::unique_ptr<Graph>>(&attribute.value))
          for (const Graph::Capture &capture : (*graph)->captures)
            use(capture.outer);
      kept.push_back(std::move(*node));
    }
    out_.nodes.assign(std::make_move_iterator(kept.rbegin()), std::make_move_iterator(kept.rend()));
    std::erase_if(out_.constants, [&](const auto &constant) { return !used[constant.first]; });
  }

  Model &model_;
  const InlineOptions &options_;
  Evaluator &evaluator_;
  size_t &steps_; // nodes that were looked at
  Graph out_;
};
} // namespace

absl::StatusOr<Model> inlined(Model model, const InlineOptions &options) {
  Evaluator evaluator(model, options.limits);
  size_t steps = 0;
  LAMINA_RETURN_IF_ERROR(Inliner(model, options, evaluator, steps).run());
  return model;
}

} // namespace lamina::onnx
