//===- WorkerCheck.h - whether one worker of a plan may be executed -------------------------*- C++ -*-===//
//
// Private to checkPlan.
//
//===--------------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_RUNTIME_EXECUTOR_WORKERCHECK_H
#define LAMINA_RUNTIME_EXECUTOR_WORKERCHECK_H

#include "runtime/base/Status.h"
#include "runtime/io/plan.pb.h"

#include "absl/strings/str_cat.h"

namespace lamina {

template <typename... Args> absl::Status brokenPlan(const Args &...args) {
  return absl::InvalidArgumentError(absl::StrCat("the plan is broken: ", args...));
}

/// Checks a worker by itself; the plan's limits must be right.
absl::Status checkWorker(const plan::Plan &plan, const plan::Worker &worker);

} // namespace lamina

#endif // LAMINA_RUNTIME_EXECUTOR_WORKERCHECK_H
