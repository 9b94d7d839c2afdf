//===- WorkerUse.cpp - what each worker did during a test ---------------------------------------------===//

#include "tools/lamina-bench/WorkerUse.h"

#include "runtime/device/KernelABI.h"

namespace lamina::bench {
namespace {

double cacheBytesPerToken(const plan::Cache &cache) {
  return static_cast<double>(cache.page_bytes() / LAMINA_KV_PAGE_TOKENS);
}

} // namespace

bool runsOnGpu(const plan::Plan &plan, const plan::Worker &worker) {
  return plan.classes(static_cast<int>(worker.device_class())).device() == "cuda";
}

bool isAttention(const plan::Worker &worker, const plan::Dispatch &dispatch) {
  return static_cast<int>(dispatch.kernel()) < worker.kernels_size() &&
         worker.kernels(static_cast<int>(dispatch.kernel())).name().find("attention") != std::string::npos;
}

double launchBytes(const plan::Worker &worker, const plan::Dispatch &dispatch, int64_t context) {
  bool attention = isAttention(worker, dispatch);
  double weights = 0, cache = 0;
  bool lookup = false;
  for (uint32_t binding : dispatch.bindings()) {
    const plan::Buffer &buffer = worker.buffers(static_cast<int>(binding));
    if (buffer.kind() == plan::Buffer::WEIGHT)
      weights += static_cast<double>(buffer.bytes());
    if (attention && buffer.kind() == plan::Buffer::CACHE)
      cache += cacheBytesPerToken(worker.caches(static_cast<int>(buffer.offset())));
    lookup |= buffer.kind() == plan::Buffer::BATCH && buffer.offset() == plan::TOKEN_IDS;
  }
  return (lookup ? 0 : weights) + cache * static_cast<double>(context);
}

Traffic::Traffic(const plan::Plan &plan) : workers_(static_cast<size_t>(plan.workers_size())) {
  for (int w = 0; w < plan.workers_size(); ++w) {
    const plan::Worker &worker = plan.workers(w);
    PerWorker &traffic = workers_[static_cast<size_t>(w)];
    for (const plan::Cache &cache : worker.caches())
      traffic.cachePerToken += cacheBytesPerToken(cache);
    for (const plan::Instruction &instruction : worker.program()) {
      if (!instruction.has_dispatch())
        continue;
      bool output = false;
      for (uint32_t binding : instruction.dispatch().bindings())
        output |= worker.buffers(static_cast<int>(binding)).extent() == plan::OUTPUT_ROWS;
      (output ? traffic.outputWeights : traffic.weights) += launchBytes(worker, instruction.dispatch(), 0);
    }
  }
}

double Traffic::bytesRead(size_t worker, int64_t context, int64_t outputRows) const {
  const PerWorker &traffic = workers_[worker];
  return traffic.weights + (outputRows > 0 ? traffic.outputWeights : 0) +
         traffic.cachePerToken * static_cast<double>(context);
}

UseMeter::UseMeter(const plan::Plan &plan, const Engine &engine, const EngineRunner &runner)
    : plan_(plan), engine_(engine), runner_(runner), traffic_(plan),
      workers_(static_cast<size_t>(plan.workers_size())) {}

void UseMeter::start() { count(-1); }
void UseMeter::stop() { count(1); }

void UseMeter::step(int64_t context, int64_t outputRows) {
  for (size_t i = 0; i < workers_.size(); ++i)
    workers_[i].bytesRead += traffic_.bytesRead(i, context, outputRows);
}

void UseMeter::count(int sign) {
  const StepTotals &totals = runner_.totals();
  steps_ += sign * static_cast<double>(totals.steps);
  tokens_ += sign * static_cast<double>(totals.tokens);
  wallNs_ += sign * static_cast<double>(totals.wallNanoseconds);
  std::vector<WorkerInfo> infos = engine_.workers();
  for (size_t i = 0; i < workers_.size(); ++i) {
    workers_[i].sent += sign * static_cast<double>(infos[i].bytesSent);
    workers_[i].received += sign * static_cast<double>(infos[i].bytesReceived);
    workers_[i].busyNs += sign * static_cast<double>(totals.workers[i].busyNanoseconds);
    workers_[i].communicationNs += sign * static_cast<double>(totals.workers[i].communicationNanoseconds);
  }
}

std::vector<WorkerUse> UseMeter::uses() const {
  std::vector<WorkerInfo> infos = engine_.workers();
  std::vector<WorkerUse> uses;
  for (size_t i = 0; steps_ > 0 && i < workers_.size(); ++i) {
    const Sums &sums = workers_[i];
    uses.push_back({.name = infos[i].name,
                    .deviceClass = infos[i].deviceClass,
                    .busyShare = sums.busyNs / wallNs_,
                    .bytesSentPerToken = sums.sent / tokens_,
                    .bytesReceivedPerToken = sums.received / tokens_,
                    .communicationNsPerStep = sums.communicationNs / steps_,
                    .bytesReadPerStep = sums.bytesRead / steps_,
                    .bandwidth = sums.busyNs > 0 ? sums.bytesRead / sums.busyNs * 1e9 : 0,
                    .onGpu = runsOnGpu(plan_, plan_.workers(static_cast<int>(i)))});
  }
  return uses;
}

} // namespace lamina::bench
