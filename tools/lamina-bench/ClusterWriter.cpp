//===- ClusterWriter.cpp - what was measured, for people and for lamina-opt ---------------------------===//

#include "tools/lamina-bench/Environment.h"
#include "tools/lamina-bench/Probe.h"

#include <cstdio>

namespace lamina::bench {
namespace {

std::string row(const std::string &what, double one, double all, const char *unit) {
  char text[160];
  std::snprintf(text, sizeof(text), "| %-40s | %10.2f | %11.2f | %-7s |\n", what.c_str(), one, all, unit);
  return text;
}

} // namespace

std::string probeTable(const ProbeFigures &figures) {
  char header[200];
  std::snprintf(header, sizeof(header), "| %-40s | %10s | %11s | %-7s |\n", cpuName().substr(0, 40).c_str(),
                "1 thread", (std::to_string(figures.threads) + " threads").c_str(), "");
  return header +
         std::string("| ---------------------------------------- | ---------: | ----------: | ------- |\n") +
         row("memory read", figures.bandwidthOne * 1e-9, figures.bandwidthAll * 1e-9, "GB/s") +
         row("f32, " + figures.floatKernel, figures.flopsOne * 1e-9, figures.flopsAll * 1e-9, "GFLOP/s") +
         row("int8, " + figures.integerKernel, figures.intOpsOne * 1e-9, figures.intOpsAll * 1e-9, "GOP/s") +
         row("transport, round trip of 64 bytes", figures.transportOne.roundTripSeconds * 1e6,
             figures.transportAll.roundTripSeconds * 1e6, "us") +
         row("transport, 4 MiB messages", figures.transportOne.bandwidth * 1e-9,
             figures.transportAll.bandwidth * 1e-9, "GB/s");
}

std::string clusterText(const ProbeFigures &figures) {
  char text[1600];
  std::snprintf(text, sizeof(text),
                R"(# Measured by lamina-bench --probe, %s: %s, %d threads.
# Both classes are this machine: they share its memory, its bandwidth and its cores.
classes:
  - { name: compute, role: compute, device: cpu, memory: %lluMiB, flops: %.3e, int8_ops: %.3e, bandwidth: %.3e }
  - { name: memory, role: memory, device: cpu, memory: %lluMiB, flops: %.3e, int8_ops: %.3e, bandwidth: %.3e }
links:
  - { from: compute, to: memory, bandwidth: %.3e, latency_ns: %.0f }
)",
                timeText().c_str(), cpuName().c_str(), figures.threads,
                static_cast<unsigned long long>(figures.memoryBytes >> 20), figures.flopsAll,
                figures.intOpsAll, figures.bandwidthAll,
                static_cast<unsigned long long>(figures.memoryBytes >> 20), figures.flopsAll,
                figures.intOpsAll, figures.bandwidthAll, figures.transportAll.bandwidth,
                figures.transportAll.roundTripSeconds / 2 * 1e9);
  return text;
}

} // namespace lamina::bench
