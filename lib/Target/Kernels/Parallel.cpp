//===- Parallel.cpp - work on several threads ---------------------------------------------------------===//

#include "lib/Target/Kernels/Parallel.h"

#include <algorithm>
#include <atomic>
#include <thread>
#include <vector>

void lamina::forEachInParallel(size_t count, unsigned threads, llvm::function_ref<void(size_t)> body) {
  std::atomic<size_t> next = 0;
  auto work = [&] {
    for (size_t i; (i = next.fetch_add(1)) < count;)
      body(i);
  };
  std::vector<std::thread> helpers;
  for (size_t i = 1; i < std::min<size_t>(threads, count); ++i)
    helpers.emplace_back(work);
  work();
  for (std::thread &helper : helpers)
    helper.join();
}
