//===- Writer.h - prints results as they come -----------------------------------------------*- C++ -*-===//

#ifndef LAMINA_TOOLS_LAMINA_BENCH_WRITER_H
#define LAMINA_TOOLS_LAMINA_BENCH_WRITER_H

#include "tools/lamina-bench/Bencher.h"
#include "tools/lamina-bench/Environment.h"

#include <cstdio>
#include <memory>

namespace lamina::bench {

class Writer {
public:
  /// `file` must outlive the writer.
  static std::unique_ptr<Writer> create(Format format, std::FILE *file);
  virtual ~Writer() = default;

  virtual void test(const Environment &environment, const TestResult &result) {}
  virtual void batched(const Environment &environment, const BatchedResult &result) {}
  /// After the last result; not called if the run failed.
  virtual void finish() {}
};

} // namespace lamina::bench

#endif // LAMINA_TOOLS_LAMINA_BENCH_WRITER_H
