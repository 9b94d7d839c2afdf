//===- ClusterFile.h - the cluster that a model is compiled for -----------------------------------*- C++ -*-===//
//
// YAML, every size in bytes (suffixes KiB, MiB, GiB, TiB allowed), bandwidths in bytes per second. All but name, role
// and device may be absent, which means unknown:
//
//   classes:
//     - { name: compute, role: compute, device: cpu, count: 1, memory: 80GiB, flops: 2e12, int8_ops: 8e12,
//         bandwidth: 3e11 }
//     - { name: memory,  role: memory,  device: cpu, count: 1, memory: 512GiB }
//   links:
//     - { from: compute, to: memory, bandwidth: 25e9, latency_ns: 2000 }
//
//===--------------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_LIB_PIPELINES_CLUSTERFILE_H
#define LAMINA_LIB_PIPELINES_CLUSTERFILE_H

#include "dialects/MPMD/IR/MPMD.h"
#include "mlir/IR/OwningOpRef.h"

namespace lamina {

/// Reads a cluster file and adds its mpmd.topology at the head of `module`; errors are diagnostics at the file and line.
mlir::LogicalResult addTopologyFromFile(mlir::ModuleOp module, llvm::StringRef path);

/// Adds the topology of a class @compute on one kind of devices and, where there is `memory`, of @memory on another.
void addTopologyOf(mlir::ModuleOp module, mpmd::DeviceKind compute, std::optional<mpmd::DeviceKind> memory);

} // namespace lamina

#endif // LAMINA_LIB_PIPELINES_CLUSTERFILE_H
