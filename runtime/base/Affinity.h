//===- Affinity.h - the CPUs that this process may use --------------------------------------*- C++ -*-===//

#ifndef LAMINA_RUNTIME_BASE_AFFINITY_H
#define LAMINA_RUNTIME_BASE_AFFINITY_H

#include <cstddef>
#include <sched.h>
#include <span>
#include <vector>

namespace lamina {

/// The numbers of the CPUs that the calling thread may run on, ascending; empty if the system does not say.
inline std::vector<int> availableCpus() {
  std::vector<int> cpus;
  // The system refuses sets that are smaller than its own, which one of 1024 CPUs may be.
  for (size_t count = 1; count <= 64 && cpus.empty(); count *= 2) {
    std::vector<cpu_set_t> set(count);
    size_t bytes = count * sizeof(cpu_set_t);
    if (sched_getaffinity(0, bytes, set.data()) == 0)
      for (size_t cpu = 0; cpu < count * CPU_SETSIZE; ++cpu)
        if (CPU_ISSET_S(cpu, bytes, set.data()))
          cpus.push_back(int(cpu));
  }
  return cpus;
}

/// The CPU of each of a worker's threads, where `threads` is a multiple of the CPUs: then thread i of one
/// worker takes turns with thread i of the others instead of meeting them anywhere. Otherwise empty: the
/// system knows better which CPUs are free.
inline std::vector<int> cpusOfThreads(int threads, std::span<const int> available) {
  std::vector<int> cpus;
  if (!available.empty() && threads % int(available.size()) == 0)
    for (int i = 0; i < threads; ++i)
      cpus.push_back(available[size_t(i) % available.size()]);
  return cpus;
}

/// Keeps the calling thread on one CPU from now on; threads that it starts inherit that. If the system
/// refuses, the thread stays where it may be.
inline void stayOnCpu(int cpu) {
  std::vector<cpu_set_t> set(size_t(cpu) / CPU_SETSIZE + 1);
  size_t bytes = set.size() * sizeof(cpu_set_t);
  CPU_SET_S(size_t(cpu), bytes, set.data());
  sched_setaffinity(0, bytes, set.data());
}

} // namespace lamina

#endif // LAMINA_RUNTIME_BASE_AFFINITY_H
