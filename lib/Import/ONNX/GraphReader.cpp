//===- GraphReader.cpp - GraphProto to Graph -------------------------------------------------------===//
//
// First everything that defines a name is read, then what uses names, so that the order of nodes does not
// matter and subgraphs find all names of the graphs around them.
//
//===-----------------------------------------------------------------------------------------------------------===//

#include "lib/Import/ONNX/GraphReader.h"

#include "lib/Import/ONNX/NodeOrder.h"
#include "lib/Import/ONNX/TensorReader.h"
#include "lib/Import/ONNX/onnx.pb.h"

#include "absl/container/flat_hash_set.h"

namespace lamina::onnx {
namespace {

using GraphProto = ::onnx::GraphProto;
using NodeProto = ::onnx::NodeProto;

absl::Status readPart(const WireMessage &message, const WireField &field, GraphParts &parts) {
  auto declared = [&](std::vector<DeclaredValue> &values) -> absl::Status {
    LAMINA_ASSIGN_OR_RETURN(WireMessage content, message.message(field, "GraphProto's list of values"));
    LAMINA_ASSIGN_OR_RETURN(values.emplace_back(), readValueInfo(content));
    return absl::OkStatus();
  };
  auto content = [&](std::vector<WireMessage> &messages) -> absl::Status {
    LAMINA_ASSIGN_OR_RETURN(WireMessage content, message.message(field, "GraphProto's list of messages"));
    messages.push_back(content);
    return absl::OkStatus();
  };
  switch (field.number) {
  case GraphProto::kNameFieldNumber:
    return message.get(field, "GraphProto.name", parts.name);
  case GraphProto::kNodeFieldNumber:
    return content(parts.nodes);
  case GraphProto::kInitializerFieldNumber:
    return content(parts.initializers);
  case GraphProto::kInputFieldNumber:
    return declared(parts.inputs);
  case GraphProto::kOutputFieldNumber:
    return declared(parts.outputs);
  case GraphProto::kValueInfoFieldNumber:
    return declared(parts.declared);
  case GraphProto::kSparseInitializerFieldNumber:
    return message.error(
        field.offset,
        "the graph has a sparse initialiser, which lamina does not read; export it as a dense one");
  default:
    return absl::OkStatus();
  }
}

void dropTrailingAbsent(std::vector<ValueId> &ids) {
  while (!ids.empty() && ids.back() == kAbsent)
    ids.pop_back();
}

} // namespace

absl::StatusOr<Graph> GraphReader::readGraph(WireMessage message) {
  if (depth_ > kMaxNesting)
    return message.error(message.offset(), "graphs are nested deeper than ", kMaxNesting,
                         "; simplify the model before the export");
  GraphParts parts;
  while (!message.done()) {
    WireField field;
    LAMINA_RETURN_IF_ERROR(message.next(field));
    LAMINA_RETURN_IF_ERROR(readPart(message, field, parts));
  }
  return build(std::move(parts), message);
}

absl::StatusOr<Graph> GraphReader::build(const GraphParts &parts, const WireMessage &message) {
  graph_.name = parts.name;
  LAMINA_RETURN_IF_ERROR(defineInputs(parts, message));
  LAMINA_RETURN_IF_ERROR(defineConstants(parts));
  LAMINA_RETURN_IF_ERROR(defineNodes(parts));
  declareTypes(parts.outputs);
  declareTypes(parts.declared);
  for (size_t i = 0; i < graph_.nodes.size(); ++i) {
    uses_.emplace_back();
    LAMINA_RETURN_IF_ERROR(resolveInputs(graph_.nodes[i], pending_[i]));
    LAMINA_RETURN_IF_ERROR(readAttributes(graph_.nodes[i], pending_[i]));
  }
  LAMINA_RETURN_IF_ERROR(resolveOutputs(parts, message));
  LAMINA_RETURN_IF_ERROR(sortNodes(message));
  return std::move(graph_);
}

//===-----------------------------------------------------------------------------------------------------------===//
// Definitions
//===-----------------------------------------------------------------------------------------------------------===//

absl::StatusOr<ValueId> GraphReader::define(std::string_view name) {
  auto [entry, inserted] = ids_.try_emplace(toAbsl(name), static_cast<ValueId>(graph_.values.size()));
  if (!inserted)
    return absl::InvalidArgumentError(
        strCat("value ", quoteName(name), " is defined twice; rename one and export the model again"));
  graph_.values.push_back({.name = std::string(name)});
  return entry->second;
}

absl::Status GraphReader::defineInputs(const GraphParts &parts, const WireMessage &message) {
  for (const DeclaredValue &input : parts.inputs) {
    std::string what = strCat("input number ", graph_.inputs.size());
    if (input.name.empty())
      return message.error(message.offset(), what, " of the graph has no name; ", kDamaged);
    absl::StatusOr<ValueId> id = define(input.name);
    if (!id.ok())
      return message.within(what, id.status());
    graph_.values[*id].type = input.type;
    graph_.inputs.push_back(*id);
  }
  return absl::OkStatus();
}

// An initialiser may be an input as well; before IR 4 each had to be. Callers of lamina never override such a
// default.
absl::Status GraphReader::defineConstants(const GraphParts &parts) {
  size_t inputs = graph_.values.size();
  for (const WireMessage &message : parts.initializers) {
    LAMINA_ASSIGN_OR_RETURN(TensorConstant tensor, readTensor(message, &external_));
    std::string what = strCat("initialiser number ", graph_.constants.size());
    if (tensor.name.empty())
      return message.error(message.offset(), what, " has no name; ", kDamaged);
    auto found = ids_.find(toAbsl(tensor.name));
    bool isInput = found != ids_.end() && static_cast<size_t>(found->second) < inputs;
    absl::StatusOr<ValueId> id = isInput ? found->second : define(tensor.name);
    if (!id.ok())
      return message.within(what, id.status());
    Type type{.kind = Type::Kind::Tensor, .element = tensor.type, .shape = std::vector<Dimension>()};
    for (int64_t dim : tensor.dims)
      type.shape->push_back({.size = dim});
    graph_.values[*id].type = std::move(type);
    if (!graph_.constants.try_emplace(*id, std::move(tensor)).second)
      return message.error(message.offset(), what, ": there is another for input ",
                           quoteName(graph_.values[*id].name), "; ", kDamaged);
  }
  std::erase_if(graph_.inputs, [&](ValueId id) { return graph_.constants.contains(id); });
  return absl::OkStatus();
}

absl::StatusOr<GraphReader::PendingNode> GraphReader::readNode(WireMessage message, Node &node) {
  PendingNode pending{.message = message};
  while (!message.done()) {
    WireField field;
    LAMINA_RETURN_IF_ERROR(message.next(field));
    switch (field.number) {
    case NodeProto::kInputFieldNumber:
      LAMINA_RETURN_IF_ERROR(message.get(field, "NodeProto.input", pending.inputs.emplace_back()));
      break;
    case NodeProto::kOutputFieldNumber:
      LAMINA_RETURN_IF_ERROR(message.get(field, "NodeProto.output", pending.outputs.emplace_back()));
      break;
    case NodeProto::kNameFieldNumber:
      LAMINA_RETURN_IF_ERROR(message.get(field, "NodeProto.name", node.name));
      break;
    case NodeProto::kOpTypeFieldNumber:
      LAMINA_RETURN_IF_ERROR(message.get(field, "NodeProto.op_type", node.op));
      break;
    case NodeProto::kDomainFieldNumber:
      LAMINA_RETURN_IF_ERROR(message.get(field, "NodeProto.domain", node.domain));
      break;
    case NodeProto::kOverloadFieldNumber:
      LAMINA_RETURN_IF_ERROR(message.get(field, "NodeProto.overload", node.overload));
      break;
    case NodeProto::kAttributeFieldNumber: {
      LAMINA_ASSIGN_OR_RETURN(WireMessage attribute, message.message(field, "NodeProto.attribute"));
      pending.attributes.push_back(attribute);
      break;
    }
    }
  }
  node.domain = normalDomain(node.domain);
  return pending;
}

absl::Status GraphReader::defineNodes(const GraphParts &parts) {
  graph_.nodes.reserve(parts.nodes.size());
  pending_.reserve(parts.nodes.size());
  for (const WireMessage &message : parts.nodes) {
    Node &node = graph_.nodes.emplace_back();
    node.number = static_cast<uint32_t>(graph_.nodes.size() - 1);
    LAMINA_ASSIGN_OR_RETURN(PendingNode pending, readNode(message, node));
    if (node.op.empty())
      return message.within(node.describe(),
                            absl::InvalidArgumentError(strCat("it has no operator; ", kDamaged)));
    for (std::string_view name : pending.outputs) {
      absl::StatusOr<ValueId> id = name.empty() ? kAbsent : define(name);
      if (!id.ok())
        return message.within(node.describe(), id.status());
      node.outputs.push_back(*id);
    }
    dropTrailingAbsent(node.outputs);
    pending_.push_back(std::move(pending));
  }
  return absl::OkStatus();
}

void GraphReader::declareTypes(const std::vector<DeclaredValue> &values) {
  for (const DeclaredValue &value : values) {
    auto found = ids_.find(toAbsl(value.name));
    if (found != ids_.end() && graph_.values[found->second].type.kind == Type::Kind::Unknown)
      graph_.values[found->second].type = value.type;
  }
}

//===-----------------------------------------------------------------------------------------------------------===//
// Uses
//===-----------------------------------------------------------------------------------------------------------===//

ValueId GraphReader::resolve(std::string_view name) {
  if (auto found = ids_.find(toAbsl(name)); found != ids_.end())
    return found->second;
  ValueId outer = outer_ ? outer_->resolve(name) : kAbsent;
  if (outer == kAbsent)
    return kAbsent;
  // The node around, which is being read, uses what its subgraph captures.
  outer_->uses_.back().push_back(outer);
  ValueId inner = static_cast<ValueId>(graph_.values.size());
  graph_.values.push_back(outer_->graph_.values[outer]);
  graph_.captures.push_back({.inner = inner, .outer = outer});
  ids_.try_emplace(toAbsl(name), inner);
  return inner;
}

absl::Status GraphReader::resolveInputs(Node &node, const PendingNode &pending) {
  for (std::string_view name : pending.inputs) {
    ValueId id = name.empty() ? kAbsent : resolve(name);
    if (id == kAbsent && !name.empty())
      return pending.message.within(
          node.describe(),
          absl::InvalidArgumentError(
              strCat("input ", node.inputs.size(), ", ", quoteName(name),
                     ", is neither an input nor an initialiser nor made by a node; export the model again")));
    node.inputs.push_back(id);
    if (id != kAbsent)
      uses_.back().push_back(id);
  }
  dropTrailingAbsent(node.inputs);
  return absl::OkStatus();
}

absl::Status GraphReader::readAttributes(Node &node, const PendingNode &pending) {
  AttributeContext context{
      .external = external_, .inFunction = inFunction_, .readSubgraph = [&](WireMessage message) {
        return GraphReader(external_, inFunction_, this).readGraph(message);
      }};
  absl::flat_hash_set<std::string> names;
  node.attributes.reserve(pending.attributes.size());
  for (const WireMessage &message : pending.attributes) {
    absl::StatusOr<Attribute> attribute = readAttribute(message, context);
    if (!attribute.ok())
      return message.within(node.describe(), attribute.status());
    if (!names.insert(attribute->name).second)
      return message.within(node.describe(),
                            absl::InvalidArgumentError(strCat("attribute ", quoteName(attribute->name),
                                                              " is given twice; ", kDamaged)));
    node.attributes.push_back(*std::move(attribute));
  }
  return absl::OkStatus();
}

absl::Status GraphReader::resolveOutputs(const GraphParts &parts, const WireMessage &message) {
  // Values that an output of a subgraph captures are used by the node around.
  absl::flat_hash_set<std::string_view> names;
  for (const DeclaredValue &output : parts.outputs) {
    ValueId id = resolve(output.name);
    if (id == kAbsent)
      return message.error(
          message.offset(), "output ", quoteName(output.name), " of graph ", quoteName(parts.name),
          " is neither an input nor an initialiser nor made by a node; export the model again");
    if (!names.insert(output.name).second)
      return message.error(message.offset(), "output ", quoteName(output.name), " of graph ",
                           quoteName(parts.name), " is listed twice; ", kDamaged);
    graph_.outputs.push_back(id);
  }
  return absl::OkStatus();
}

absl::Status GraphReader::sortNodes(const WireMessage &message) {
  constexpr uint32_t none = UINT32_MAX;
  std::vector<uint32_t> maker(graph_.values.size(), none);
  for (const Node &node : graph_.nodes)
    for (ValueId id : node.outputs)
      if (id != kAbsent)
        maker[id] = node.number;
  std::vector<std::vector<uint32_t>> needs(graph_.nodes.size());
  for (size_t i = 0; i < needs.size(); ++i)
    for (ValueId id : uses_[i])
      if (maker[id] != none)
        needs[i].push_back(maker[id]);
  NodeOrder order = orderNodes(needs);
  if (order.onCycle)
    return message.within(
        graph_.nodes[*order.onCycle].describe(),
        absl::InvalidArgumentError(strCat("it needs its own result (a cycle); ", kDamaged)));
  std::vector<Node> sorted;
  sorted.reserve(graph_.nodes.size());
  for (uint32_t i : order.order)
    sorted.push_back(std::move(graph_.nodes[i]));
  graph_.nodes = std::move(sorted);
  return absl::OkStatus();
}

} // namespace lamina::onnx
