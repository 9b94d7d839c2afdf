//===- FunctionReader.cpp - model-local functions --------------------------------------------------===//

#include "lib/Import/ONNX/FunctionReader.h"

#include "lib/Import/ONNX/GraphReader.h"
#include "lib/Import/ONNX/NodeOrder.h"
#include "lib/Import/ONNX/onnx.pb.h"

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"

#include <tuple>

namespace lamina::onnx {
namespace {

using Proto = ::onnx::FunctionProto;

struct FunctionParts {
  GraphParts body;
  std::vector<WireMessage> defaults;
};

absl::Status readName(const WireMessage &message, const WireField &field,
                      std::vector<DeclaredValue> &values) {
  return message.get(field, "FunctionProto's list of names", values.emplace_back().name);
}

absl::Status readMessage(const WireMessage &message, const WireField &field,
                         std::vector<WireMessage> &messages) {
  LAMINA_ASSIGN_OR_RETURN(WireMessage content, message.message(field, "FunctionProto's list of messages"));
  messages.push_back(content);
  return absl::OkStatus();
}

absl::Status readPart(const WireMessage &message, const WireField &field, Function &function,
                      FunctionParts &parts) {
  switch (field.number) {
  case Proto::kNameFieldNumber:
    return message.get(field, "FunctionProto.name", function.name);
  case Proto::kDomainFieldNumber:
    return message.get(field, "FunctionProto.domain", function.domain);
  case Proto::kOverloadFieldNumber:
    return message.get(field, "FunctionProto.overload", function.overload);
  case Proto::kInputFieldNumber:
    return readName(message, field, parts.body.inputs);
  case Proto::kOutputFieldNumber:
    return readName(message, field, parts.body.outputs);
  case Proto::kAttributeFieldNumber:
    return message.get(field, "FunctionProto.attribute", function.attributes.emplace_back());
  case Proto::kAttributeProtoFieldNumber:
    return readMessage(message, field, parts.defaults);
  case Proto::kNodeFieldNumber:
    return readMessage(message, field, parts.body.nodes);
  case Proto::kOpsetImportFieldNumber: {
    LAMINA_ASSIGN_OR_RETURN(WireMessage opset, message.message(field, "FunctionProto.opset_import"));
    return readOpset(opset, function.opsets);
  }
  case Proto::kValueInfoFieldNumber: {
    LAMINA_ASSIGN_OR_RETURN(WireMessage value, message.message(field, "FunctionProto.value_info"));
    LAMINA_ASSIGN_OR_RETURN(parts.body.declared.emplace_back(), readValueInfo(value));
    return absl::OkStatus();
  }
  default:
    return absl::OkStatus();
  }
}

absl::Status readDefaults(const FunctionParts &parts, ExternalData &external, Function &function) {
  AttributeContext context{.external = external,
                           .inFunction = false,
                           .readSubgraph = [](WireMessage message) -> absl::StatusOr<Graph> {
                             return message.error(message.offset(),
                                                  "the default of a function's attribute is a graph, "
                                                  "which lamina does not read");
                           }};
  for (const WireMessage &message : parts.defaults) {
    LAMINA_ASSIGN_OR_RETURN(Attribute attribute, readAttribute(message, context));
    function.defaults.push_back(std::move(attribute));
  }
  return absl::OkStatus();
}

/// "function 'pkg.Attention'".
std::string describe(const Function &function) {
  std::string name = strCat(function.domain, function.domain.empty() ? "" : ".", function.name);
  return strCat("function ", quoteName(name + (function.overload.empty() ? "" : ":" + function.overload)));
}

/// Calls `visit` with every node of a graph and its subgraphs until it returns an error.
template <typename Visit> absl::Status forEachNode(const Graph &graph, const Visit &visit) {
  for (const Node &node : graph.nodes) {
    LAMINA_RETURN_IF_ERROR(visit(node));
    for (const Attribute &attribute : node.attributes) {
      if (const auto *subgraph = std::get_if<std::unique_ptr<Graph>>(&attribute.value))
        LAMINA_RETURN_IF_ERROR(forEachNode(**subgraph, visit));
      if (const auto *subgraphs = std::get_if<std::vector<std::unique_ptr<Graph>>>(&attribute.value))
        for (const std::unique_ptr<Graph> &each : *subgraphs)
          LAMINA_RETURN_IF_ERROR(forEachNode(*each, visit));
    }
  }
  return absl::OkStatus();
}

class FunctionChecker {
public:
  explicit FunctionChecker(Model &model) : model_(model) {}
  absl::Status check();

private:
  /// Domain, name, overload.
  using Key = std::tuple<std::string_view, std::string_view, std::string_view>;

  template <typename... Args> absl::Status error(const Args &...text) const {
    return absl::InvalidArgumentError(strCat(model_.path(), ": ", text...));
  }
  absl::Status index();
  /// Checks the nodes' domains and lists the functions that they call.
  absl::StatusOr<std::vector<uint32_t>> callees(const Graph &graph,
                                                const std::map<std::string, int64_t> &opsets);
  absl::Status order(const std::vector<std::vector<uint32_t>> &calls);

  Model &model_;
  absl::flat_hash_map<Key, uint32_t> functions_;
};

absl::Status FunctionChecker::index() {
  for (const Function &function : model_.functions) {
    Key key(function.domain, function.name, function.overload);
    if (!functions_.try_emplace(key, static_cast<uint32_t>(functions_.size())).second)
      return error(describe(function), " is defined twice; ", kDamaged);
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<uint32_t>> FunctionChecker::callees(const Graph &graph,
                                                               const std::map<std::string, int64_t> &opsets) {
  std::vector<uint32_t> called;
  absl::flat_hash_set<uint32_t> seen;
  LAMINA_RETURN_IF_ERROR(forEachNode(graph, [&](const Node &node) -> absl::Status {
    auto function = functions_.find(Key(node.domain, node.op, node.overload));
    if (function != functions_.end() && seen.insert(function->second).second)
      called.push_back(function->second);
    if (function == functions_.end() && !opsets.contains(node.domain))
      return error(node.describe(), ": the model imports no operator set of domain ",
                   quoteName(node.domain.empty() ? "ai.onnx" : node.domain), "; export the model again");
    return absl::OkStatus();
  }));
  return called;
}

absl::Status FunctionChecker::order(const std::vector<std::vector<uint32_t>> &calls) {
  NodeOrder order = orderNodes(calls);
  if (order.onCycle)
    return error(describe(model_.functions[*order.onCycle]), " calls itself; ", kDamaged);
  std::vector<uint32_t> depth(calls.size(), 1);
  std::vector<Function> sorted;
  for (uint32_t i : order.order) {
    for (uint32_t callee : calls[i])
      depth[i] = std::max(depth[i], depth[callee] + 1);
    if (depth[i] > kMaxCallDepth)
      return error(describe(model_.functions[i]), ": calls nest deeper than ", kMaxCallDepth,
                   "; export the model without functions");
    sorted.push_back(std::move(model_.functions[i]));
  }
  model_.functions = std::move(sorted);
  return absl::OkStatus();
}

absl::Status FunctionChecker::check() {
  LAMINA_RETURN_IF_ERROR(index());
  LAMINA_RETURN_IF_ERROR(callees(model_.graph, model_.opsets).status());
  std::vector<std::vector<uint32_t>> calls;
  for (const Function &function : model_.functions) {
    LAMINA_ASSIGN_OR_RETURN(std::vector<uint32_t> called, callees(function.body, function.opsets));
    calls.push_back(std::move(called));
  }
  return order(calls);
}

} // namespace

absl::Status readOpset(WireMessage message, std::map<std::string, int64_t> &opsets) {
  std::string_view domain;
  int64_t version = 0;
  while (!message.done()) {
    WireField field;
    LAMINA_RETURN_IF_ERROR(message.next(field));
    if (field.number == ::onnx::OperatorSetIdProto::kDomainFieldNumber)
      LAMINA_RETURN_IF_ERROR(message.get(field, "OperatorSetIdProto.domain", domain));
    if (field.number == ::onnx::OperatorSetIdProto::kVersionFieldNumber)
      LAMINA_RETURN_IF_ERROR(message.get(field, "OperatorSetIdProto.version", version));
  }
  if (version < 1)
    return message.error(message.offset(), "the version of operator set ", quoteName(domain), " is ", version,
                         ", expected 1 or more; ", kDamaged);
  int64_t &highest = opsets[normalDomain(domain)];
  highest = std::max(highest, version);
  return absl::OkStatus();
}

absl::StatusOr<Function> readFunction(WireMessage message, ExternalData &external) {
  Function function;
  FunctionParts parts;
  while (!message.done()) {
    WireField field;
    LAMINA_RETURN_IF_ERROR(message.next(field));
    LAMINA_RETURN_IF_ERROR(readPart(message, field, function, parts));
  }
  function.domain = normalDomain(function.domain);
  if (function.name.empty())
    return message.error(message.offset(), "a function has no name; ", kDamaged);
  parts.body.name = function.name;
  absl::Status status = readDefaults(parts, external, function);
  if (!status.ok())
    return message.within(describe(function), status);
  absl::StatusOr<Graph> body = GraphReader(external, /*inFunction=*/true).build(parts.body, message);
  if (!body.ok())
    return message.within(describe(function), body.status());
  function.body = *std::move(body);
  return function;
}

absl::Status checkFunctions(Model &model) { return FunctionChecker(model).check(); }

} // namespace lamina::onnx
