//===- Affinity.h - the CPUs that this process may use --------------------------------------*- C++ -*-===//

#ifndef LAMINA_RUNTIME_BASE_AFFINITY_H
#define LAMINA_RUNTIME_BASE_AFFINITY_H

#include <sched.h>
#include <vector>

namespace lamina {

/// The numbers of the CPUs that the calling thread may run on, ascending; never empty.
inline std::vector<int> availableCpus() {
  std::vector<int> cpus;
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof(set), &set) == 0)
    for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu)
      if (CPU_ISSET(cpu, &set))
        cpus.push_back(cpu);
  if (cpus.empty()) // more CPUs than the set holds
    cpus.push_back(0);
  return cpus;
}

/// Keeps the calling thread on one CPU from now on; threads that it starts inherit that. If the system
/// refuses, the thread stays where it may be.
inline void stayOnCpu(int cpu) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  sched_setaffinity(0, sizeof(set), &set);
}

} // namespace lamina

#endif // LAMINA_RUNTIME_BASE_AFFINITY_H
