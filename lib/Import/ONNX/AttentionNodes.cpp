//===- AttentionNodes.cpp - attention that a graph spells out in single operators -----------------------===//

#include "lib/Import/ONNX/AttentionNodes.h"

#include "lib/Import/ONNX/Attributes.h"

#include <algorithm>
#include <functional>
#include <map>
#include <set>
#include <string_view>

namespace lamina::onnx {

namespace {

using Names = std::set<std::string_view>;
using Nodes = std::set<size_t>;

/// What may lie between the products, row by row: scales, masks, caps, types.
const Names kBetween = {"Add",     "And",   "Cast",    "CastLike", "Clip",      "Div",
                        "Dropout", "Equal", "Greater", "Identity", "IsInf",     "IsNaN",
                        "Less",    "Max",   "Min",     "Mul",      "Not",       "Or",
                        "Reshape", "Sub",   "Squeeze", "Tanh",     "Unsqueeze", "Where"};
/// Moves elements, or leaves them as they are.
const Names kMoves = {"Cast", "Identity", "Reshape", "Squeeze", "Transpose", "Unsqueeze", "Flatten"};
/// What feature maps are made of, and of these what is not linear.
const Names kMaps = {"Abs",     "Add",      "Celu",        "Clip",      "Div",  "Elu",
                     "Exp",     "Gelu",     "HardSigmoid", "LeakyRelu", "Max",  "Mul",
                     "Pow",     "ReduceL2", "ReduceMax",   "ReduceSum", "Relu", "Sigmoid",
                     "Softmax", "Softplus", "Sqrt",        "Sub",       "Tanh"};
const Names kNonlinear = {"Celu", "Clip", "Elu",  "Exp",     "Gelu",    "HardSigmoid", "LeakyRelu",
                          "Max",  "Pow",  "Relu", "Sigmoid", "Softmax", "Softplus",    "Tanh"};
/// What a normaliser is computed with, from mapped queries and keys.
const Names kNormaliser = {"Add",     "Cast",    "Clip",      "Div",        "Identity",   "MatMul",
                           "Max",     "Mul",     "Pow",       "Reciprocal", "ReduceMean", "ReduceSum",
                           "Reshape", "Squeeze", "Transpose", "Unsqueeze"};

/// Bounds what is looked at for one attention: graphs are not trusted.
constexpr size_t kMostNodes = 64;

class Finder {
public:
  Finder(const Graph &graph, int64_t opset, const std::vector<Tensor> &tensors)
      : graph_(graph), opset_(opset), tensors_(tensors), producer_(graph.values.size(), kNone),
        users_(graph.values.size()) {
    for (size_t i = 0; i < graph.nodes.size(); ++i) {
      for (ValueId id : graph.nodes[i].outputs)
        if (id != kAbsent)
          producer_[id] = i;
      if (isKnown(i)) // it reads shapes alone, before the model runs
        continue;
      for (ValueId id : graph.nodes[i].inputs)
        if (id != kAbsent)
          users_[id].push_back(i);
    }
  }

  std::vector<AttentionNodes> run() {
    std::vector<AttentionNodes> all;
    for (size_t i = 0; i < graph_.nodes.size(); ++i) {
      if (!isProduct(i))
        continue;
      std::optional<AttentionNodes> found = softmaxAt(i);
      if (!found)
        found = linearAt(i);
      if (!found || readsItself(*found) ||
          std::any_of(found->nodes.begin(), found->nodes.end(), [&](size_t n) { return taken_.contains(n); }))
        continue;
      taken_.insert(found->nodes.begin(), found->nodes.end());
      all.push_back(*std::move(found));
    }
    return all;
  }

private:
  static constexpr size_t kNone = ~size_t{0};

  const Node &node(size_t i) const { return graph_.nodes[i]; }
  ValueId input(size_t i, size_t n) const { return node(i).input(n); }
  bool is(size_t i, const Names &names) const {
    return i != kNone && node(i).domain.empty() && names.contains(node(i).op);
  }
  size_t producer(ValueId id) const { return id == kAbsent ? kNone : producer_[id]; }
  bool isConstant(ValueId id) const {
    return id != kAbsent && (tensors_[id].hasData() || graph_.constants.contains(id));
  }
  bool isKnown(size_t i) const {
    return std::all_of(node(i).outputs.begin(), node(i).outputs.end(),
                       [&](ValueId id) { return id == kAbsent || isConstant(id); });
  }
  bool isActivation(ValueId id) const { return id != kAbsent && !isConstant(id); }

  /// A product of two activations.
  bool isProduct(size_t i) const {
    return is(i, {"MatMul"}) && node(i).output(0) != kAbsent && isActivation(input(i, 0)) &&
           isActivation(input(i, 1)) && tensors_[input(i, 0)].rank() >= 2 &&
           tensors_[input(i, 1)].rank() >= 2;
  }

  /// The one node that `value` leads back to through nodes of `through` and that `isEnd` names; those in between join `path`. None
  /// if there is no such node, several, or too much to look at.
  template <typename End>
  size_t traceBack(ValueId value, const Names &through, End isEnd, Nodes &path) const {
    size_t end = kNone, looked = 0;
    bool several = false;
    std::map<size_t, bool> leads; // by node
    std::function<bool(ValueId)> walk = [&](ValueId at) {
      size_t i = producer(at);
      if (i == kNone || ++looked > kMostNodes)
        return false;
      if (isEnd(i)) {
        several |= end != kNone && end != i;
        end = i;
        return true;
      }
      if (!is(i, through))
        return false;
      if (auto known = leads.find(i); known != leads.end())
        return known->second;
      bool found = false;
      for (ValueId operand : node(i).inputs)
        found |= operand != kAbsent && walk(operand);
      if (found)
        path.insert(i);
      return leads[i] = found;
    };
    walk(value);
    return several || looked > kMostNodes ? kNone : end;
  }

  /// Whether what an attention is given is computed by its own nodes: weights that are the values as well, for instance.
  bool readsItself(const AttentionNodes &found) const {
    return std::any_of(found.nodes.begin(), found.nodes.end(), [&](size_t i) {
      return producer(found.query) == i || producer(found.key) == i || producer(found.value) == i;
    });
  }

  /// Whether nothing of these nodes but the last one's results is read by others when the model runs.
  bool isClosed(const Nodes &nodes) const {
    for (size_t i : nodes)
      for (ValueId id : node(i).outputs)
        if (id != kAbsent && i != *nodes.rbegin() &&
            !std::all_of(users_[id].begin(), users_[id].end(),
                         [&](size_t user) { return nodes.contains(user); }))
          return false;
    return true;
  }

  AttentionNodes attention(AttentionNodes::Kind kind, ValueId query, ValueId key, ValueId value,
                           const Nodes &nodes) const {
    return {kind, query, key, value, {nodes.begin(), nodes.end()}};
  }

  //===--- Softmax --------------------------------------------------------------------------------------===//

  /// Over the last axis.
  bool isSoftmax(size_t i) const {
    if (!is(i, {"Softmax"}))
      return false;
    int64_t rank = tensors_[input(i, 0)].rank(),
            axis = attributeOr<int64_t>(node(i), "axis", opset_ < 13 ? 1 : -1);
    return axis == -1 || axis == rank - 1;
  }

  /// Whether a value has queries and keys where the scores have them.
  bool keepsScores(ValueId id, ValueId scores) const {
    if (id == kAbsent)
      return false;
    const Dims &a = tensors_[id].dims(), &b = tensors_[scores].dims();
    return a.size() >= 2 && std::equal(a.end() - 2, a.end(), b.end() - 2);
  }

  std::optional<AttentionNodes> softmaxAt(size_t last) const {
    Nodes nodes{last};
    size_t softmax = traceBack(input(last, 0), kBetween, [&](size_t i) { return isSoftmax(i); }, nodes);
    if (softmax == kNone)
      return std::nullopt;
    size_t scores = traceBack(input(softmax, 0), kBetween, [&](size_t i) { return isProduct(i); }, nodes);
    if (scores == kNone)
      return std::nullopt;
    nodes.insert({softmax, scores});
    ValueId result = node(scores).output(0);
    bool kept = std::all_of(nodes.begin(), nodes.end(),
                            [&](size_t i) { return i == last || keepsScores(node(i).output(0), result); });
    if (!kept || !isClosed(nodes))
      return std::nullopt;
    return attention(AttentionNodes::Kind::Softmax, input(scores, 0), input(scores, 1), input(last, 1),
                     nodes);
  }

  //===--- Linear ---------------------------------------------------------------------------------------===//

  /// Back over what moves elements, and over scales: one number for all.
  ValueId withoutMoves(ValueId id) const {
    for (size_t steps = 0; steps < kMostNodes; ++steps) {
      size_t i = producer(id);
      bool scales = is(i, {"Mul", "Div"}) && isConstant(input(i, 1)) && tensors_[input(i, 1)].count() == 1;
      if (!is(i, kMoves) && !scales)
        return id;
      id = input(i, 0);
    }
    return id;
  }

  /// How many nonlinear functions two values have in common, from the results backward as far as both are computed by the same
  /// operators.
  int commonMap(ValueId a, ValueId b, size_t &looked) const {
    if (a == kAbsent || b == kAbsent)
      return 0;
    a = withoutMoves(a), b = withoutMoves(b);
    size_t i = producer(a), j = producer(b);
    if (++looked > kMostNodes || i == kNone || j == kNone || !is(i, kMaps) || node(i).op != node(j).op ||
        !node(j).domain.empty() || node(i).inputs.size() != node(j).inputs.size())
      return 0;
    int found = kNonlinear.contains(node(i).op);
    for (size_t n = 0; n < node(i).inputs.size(); ++n)
      found += commonMap(input(i, n), input(j, n), looked);
    return found;
  }

  /// Adds what divides the result by sums of mapped queries and keys, if that is what the one reader of `last` does, and then the
  /// transposition of keys, if the sums go before it.
  void addNormaliser(Nodes &nodes, size_t last, ValueId query, ValueId &key) const {
    const std::vector<size_t> &users = users_[node(last).output(0)];
    if (users.size() != 1 || !is(users[0], {"Div", "Mul"}))
      return;
    size_t quotient = users[0];
    bool divides = node(quotient).op == "Div", first = input(quotient, 0) == node(last).output(0);
    if (divides && !first)
      return;
    size_t transpose = is(producer(key), {"Transpose"}) ? producer(key) : kNone;
    ValueId source = transpose == kNone ? kAbsent : input(transpose, 0);
    Nodes added{quotient};
    bool readsSource = false;
    if (!computedFrom(input(quotient, first ? 1 : 0), query, key, source, added, readsSource))
      return;
    added.insert(nodes.begin(), nodes.end());
    Nodes withTranspose = added;
    if (readsSource && transpose != kNone)
      withTranspose.insert(transpose);
    if (isClosed(withTranspose)) {
      key = withTranspose.contains(transpose) ? source : key;
      nodes = std::move(withTranspose);
    } else if (isClosed(added)) {
      nodes = std::move(added);
    }
  }

  /// Whether a value is computed from nothing but mapped queries, mapped keys and constants; joins the nodes that do it.
  bool computedFrom(ValueId value, ValueId query, ValueId key, ValueId source, Nodes &nodes,
                    bool &readsSource) const {
    bool reads = false;
    std::function<bool(ValueId)> walk = [&](ValueId at) {
      readsSource |= at != kAbsent && at == source;
      if (at == kAbsent || isConstant(at) || at == query || at == key || at == source) {
        reads |= isActivation(at);
        return true;
      }
      size_t i = producer(at);
      if (!is(i, kNormaliser) || nodes.size() > kMostNodes)
        return false;
      return !nodes.insert(i).second || std::all_of(node(i).inputs.begin(), node(i).inputs.end(), walk);
    };
    return walk(value) && reads;
  }

  std::optional<AttentionNodes> linearAt(size_t last) const {
    Nodes nodes{last};
    size_t product = traceBack(
        input(last, 1), {"Cast", "Div", "Identity", "Mul"}, [&](size_t i) { return isProduct(i); }, nodes);
    if (product == kNone)
      return std::nullopt;
    nodes.insert(product);
    ValueId query = input(last, 0), key = input(product, 0), value = input(product, 1);
    size_t looked = 0;
    if (commonMap(query, key, looked) == 0 || !isClosed(nodes))
      return std::nullopt;
    addNormaliser(nodes, last, query, key);
    return attention(AttentionNodes::Kind::Linear, query, key, value, nodes);
  }

  const Graph &graph_;
  int64_t opset_;
  const std::vector<Tensor> &tensors_;
  std::vector<size_t> producer_;
  std::vector<std::vector<size_t>> users_;
  Nodes taken_;
};

} // namespace

std::vector<AttentionNodes> findAttentionNodes(const Graph &graph, int64_t opset,
                                               const std::vector<Tensor> &tensors) {
  return Finder(graph, opset, tensors).run();
}

} // namespace lamina::onnx
