//===- StaticCaches.cpp - caches of a fixed size, of which a step writes some rows ----------------------===//

#include "lib/Import/ONNX/StaticCaches.h"

#include "lib/Import/ONNX/Attributes.h"
#include "lib/Import/ONNX/ProbeInputs.h"

#include <algorithm>

namespace lamina::onnx {

namespace {
constexpr Affine kPast{0, 0, 1}, kContext{0, 1, 1};

class Rooms {
public:
  Rooms(const Graph &graph, std::vector<ProbedValue> &probed)
      : graph_(graph), probed_(probed), rooms_(probed.size(), 0) {}

  absl::StatusOr<std::optional<int64_t>> read() {
    for (const Node &node : graph_.nodes)
      for (ValueId id : node.outputs)
        if (id != kAbsent)
          producers_[id] = &node;
    for (const Node &node : graph_.nodes)
      LAMINA_RETURN_IF_ERROR(visit(node));
    // Masks are of the batch alone; no node need give them to what reads the cache.
    for (ProbedValue &value : probed_)
      if (std::holds_alternative<Mask>(value.meaning) && smallest_ && value.dims.back() == Affine{*smallest_})
        value.dims.back() = kContext;
    return smallest_;
  }

private:
  absl::Status visit(const Node &node) {
    if (std::optional<RowUpdate> update = rowUpdateOf(node, dimsOf(node.input(0)).size()))
      if (std::vector<ValueId> cache = cacheBehind(node.input(0), update->axis); !cache.empty())
        return begin(node, cache, update->axis);
    for (ValueId id : node.inputs)
      if (id != kAbsent && rooms_[id] != 0)
        return spread(node, rooms_[id]);
    return absl::OkStatus();
  }

  std::span<const Affine> dimsOf(ValueId id) const {
    return id == kAbsent ? std::span<const Affine>() : std::span<const Affine>(probed_[id].dims);
  }

  /// The value and those that it is a transposition of, up to an input that is a cache; none if it is not. `axis` is one of the
  /// value, then of the input.
  std::vector<ValueId> cacheBehind(ValueId id, int64_t axis) const {
    std::vector<ValueId> chain{id};
    for (auto found = producers_.find(id); found != producers_.end(); found = producers_.find(chain.back())) {
      if (found->second->op != "Transpose")
        return {};
      chain.push_back(found->second->input(0));
    }
    bool isInput = std::find(graph_.inputs.begin(), graph_.inputs.end(), chain.back()) != graph_.inputs.end();
    bool isFixed = static_cast<size_t>(axis) < dimsOf(id).size() && probed_[id].dims[axis].isConstant();
    return isInput && isFixed && roleOf(graph_.values[chain.back()]) == InputRole::Cache
               ? chain
               : std::vector<ValueId>();
  }

  absl::Status begin(const Node &node, const std::vector<ValueId> &cache, int64_t axis) {
    int64_t room = probed_[cache.front()].dims[axis].constant;
    for (ValueId id : cache)
      LAMINA_RETURN_IF_ERROR(rename(id, room, kPast));
    smallest_ = std::min(smallest_.value_or(room), room);
    return spread(node, room);
  }

  /// What is computed from rooms has their axis, where it has an axis of that size.
  absl::Status spread(const Node &node, int64_t room) {
    for (ValueId id : node.outputs)
      if (id != kAbsent && std::count(probed_[id].dims.begin(), probed_[id].dims.end(), Affine{room}) > 0) {
        LAMINA_RETURN_IF_ERROR(rename(id, room, kContext));
        rooms_[id] = room;
      }
    return absl::OkStatus();
  }

  absl::Status rename(ValueId id, int64_t room, const Affine &size) {
    std::vector<Affine> &dims = probed_[id].dims;
    if (std::count(dims.begin(), dims.end(), Affine{room}) > 1)
      return absl::UnimplementedError(strCat(
          "value ", quoteName(graph_.values[id].name), ", ", probed_[id].describe(), ": which size of ", room,
          " is that of a cache with room for as many positions? Export the model with another"));
    std::replace(dims.begin(), dims.end(), Affine{room}, size);
    return absl::OkStatus();
  }

  const Graph &graph_;
  std::vector<ProbedValue> &probed_;
  std::vector<int64_t> rooms_; // by value, that of an axis; 0: it has none
  std::map<ValueId, const Node *> producers_;
  std::optional<int64_t> smallest_;
};
} // namespace

std::optional<RowUpdate> rowUpdateOf(const Node &node, size_t rank) {
  if (!node.domain.empty())
    return std::nullopt;
  auto axisOr = [&](int64_t otherwise) {
    int64_t axis = attributeOr(node, "axis", otherwise);
    return axis < 0 ? axis + static_cast<int64_t>(rank) : axis;
  };
  if (node.op == "TensorScatter")
    return RowUpdate{.places = 2, .rows = 1, .axis = axisOr(-2)};
  if (node.op == "ScatterElements")
    return RowUpdate{.places = 1, .rows = 2, .axis = axisOr(0)};
  if (node.op == "ScatterND")
    return RowUpdate{.places = 1, .rows = 2, .axis = 0};
  return std::nullopt;
}

absl::StatusOr<std::optional<int64_t>> readStaticCaches(const Graph &graph,
                                                        std::vector<ProbedValue> &probed) {
  return Rooms(graph, probed).read();
}

} // namespace lamina::onnx
