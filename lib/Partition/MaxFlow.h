//===- MaxFlow.h - maximum flow by Dinic's algorithm ----------------------------------------*- C++ -*-===//
//
// A flow network with a capacity in each direction of an arc. Internal to the cut solver; deterministic,
// without recursion (a chain of any length needs no stack). Not safe for concurrent use of one object.
//
//===--------------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_LIB_PARTITION_MAXFLOW_H
#define LAMINA_LIB_PARTITION_MAXFLOW_H

#include <cstdint>
#include <vector>

namespace lamina::partition {

class MaxFlow {
public:
  using Vertex = uint32_t;
  using Arc = uint32_t;

  explicit MaxFlow(Vertex vertices) : first_(vertices, kNoHalf) {}

  Vertex addVertex() {
    first_.push_back(kNoHalf);
    return first_.size() - 1;
  }

  /// Adds an arc with `forward` capacity from `from` to `to` and `backward` capacity the other way. The sum
  /// of the capacities over any cut that matters must fit in int64_t.
  Arc addArc(Vertex from, Vertex to, int64_t forward, int64_t backward);

  /// Pushes as much as possible from `source` to `sink`. Called once.
  void run(Vertex source, Vertex sink);

  /// Net flow over an arc, from its `from` to its `to`; negative the other way.
  int64_t flow(Arc arc) const { return halves_[2 * arc + 1].residual - backward_[arc]; }

  /// Per vertex, whether something could still be pushed from it to the sink: false for the source side of
  /// the minimum cut nearest the sink.
  std::vector<bool> reachesSink(Vertex sink) const;

private:
  static constexpr uint32_t kNoHalf = UINT32_MAX;
  static constexpr uint32_t kNoLevel = UINT32_MAX;

  /// An arc is two halves, 2*arc and 2*arc+1, each with what it can still carry; `next` lists those that
  /// leave a vertex.
  struct Half {
    Vertex to;
    uint32_t next;
    int64_t residual;
  };

  bool assignLevels(Vertex source, Vertex sink);
  void pushBlockingFlow(Vertex source, Vertex sink);
  uint32_t admissible(Vertex vertex);

  std::vector<uint32_t> first_;
  std::vector<Half> halves_;
  std::vector<int64_t> backward_;
  std::vector<uint32_t> level_;
  std::vector<uint32_t> current_;
};

} // namespace lamina::partition

#endif // LAMINA_LIB_PARTITION_MAXFLOW_H
