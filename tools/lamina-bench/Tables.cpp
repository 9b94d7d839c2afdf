//===- Tables.cpp - results as Markdown ---------------------------------------------------------------===//

#include "tools/lamina-bench/Tables.h"

#include "tools/common/Text.h"
#include "tools/lamina-bench/Statistics.h"

#include <cstdarg>
#include <cstdio>

namespace lamina::bench {
namespace {

[[gnu::format(printf, 1, 2)]] std::string formatted(const char *format, ...) {
  char text[512];
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(text, sizeof(text), format, arguments);
  va_end(arguments);
  return text;
}

std::string sizeText(uint64_t bytes) {
  double mebibytes = static_cast<double>(bytes) / (1 << 20);
  return mebibytes < 1024 ? formatted("%.2f MiB", mebibytes) : formatted("%.2f GiB", mebibytes / 1024);
}

std::string parametersText(uint64_t count) {
  return count < 1000000000 ? formatted("%.2f M", static_cast<double>(count) / 1e6)
                            : formatted("%.2f B", static_cast<double>(count) / 1e9);
}

} // namespace

std::string testHeader() {
  return formatted("| %-30s | %10s | %10s | %-10s | %7s | %15s | %20s |\n", "model", "size", "params",
                   "backend", "threads", "test", "t/s") +
         "| ------------------------------ | ---------: | ---------: | ---------- | ------: | "
         "--------------: | "
         "-------------------: |\n";
}

std::string testRow(const Environment &environment, const TestResult &result) {
  std::vector<double> rates = tokensPerSecond(result.spec.tokens(), result.nanoseconds);
  std::string rate = formatted("%.2f ± %.2f", mean(rates), standardDeviation(rates));
  // "±" is two bytes and one column.
  return formatted("| %-30s | %10s | %10s | %-10s | %7d | %15s | %21s |\n", environment.modelType.c_str(),
                   sizeText(environment.modelBytes).c_str(), parametersText(environment.parameters).c_str(),
                   environment.backend(), environment.threads, result.spec.name().c_str(), rate.c_str());
}

std::string batchedHeader() {
  return formatted("|%6s | %6s | %4s | %6s | %8s | %8s | %8s | %8s | %8s | %8s |\n", "PP", "TG", "B", "N_KV",
                   "T_PP s", "S_PP t/s", "T_TG s", "S_TG t/s", "T s", "S t/s") +
         "|-------|--------|------|--------|----------|----------|----------|----------|----------|----------"
         "|\n";
}

std::string batchedRow(const BatchedResult &result) {
  const BatchedSpec &spec = result.spec;
  return formatted("|%6lld | %6lld | %4lld | %6lld | %8.3f | %8.2f | %8.3f | %8.2f | %8.3f | %8.2f |\n",
                   static_cast<long long>(spec.prompt), static_cast<long long>(spec.generate),
                   static_cast<long long>(spec.sequences),
                   static_cast<long long>(spec.sequences * spec.tokensEach()), result.promptSeconds(),
                   result.promptRate(), result.generateSeconds(), result.generateRate(),
                   result.promptSeconds() + result.generateSeconds(), result.rate());
}

std::string workerHeader() {
  return formatted("| %-18s | %-12s | %6s | %16s | %20s | %8s | %8s |\n", "test", "worker", "busy",
                   "link bytes/token", "communication/step", "GB/s", "of probe") +
         "| ------------------ | ------------ | -----: | ---------------: | -------------------: | -------: "
         "| "
         "-------: |\n";
}

std::string workerRows(const Environment &environment, const std::string &test,
                       const std::vector<WorkerUse> &workers) {
  std::string rows;
  for (const WorkerUse &worker : workers)
    rows += formatted("| %-18s | %-12s | %5.1f%% | %16.0f | %17.1f us | %8.2f | %7.1f%% |\n", test.c_str(),
                      worker.name.c_str(), worker.busyShare * 100,
                      worker.bytesSentPerToken + worker.bytesReceivedPerToken,
                      worker.communicationNsPerStep * 1e-3, worker.bandwidth * 1e-9,
                      bandwidthShare(environment, worker.onGpu, worker.bandwidth) * 100);
  return rows;
}

std::string kernelHeader() {
  return formatted("| %-12s | %-40s | %5s | %7s | %8s | %10s | %10s | %8s | %8s |\n", "worker", "kernel", "B",
                   "PP", "launches", "us each", "MiB each", "GB/s", "of probe") +
         "| ------------ | ---------------------------------------- | ----: | ------: | -------: | "
         "---------: "
         "| ---------: | -------: | -------: |\n";
}

std::string kernelRow(const Environment &environment, const KernelResult &result) {
  double launches = static_cast<double>(result.launches);
  return formatted("| %-12s | %-40s | %5lld | %7lld | %8lld | %10.2f | %10.3f | %8.2f | %7.1f%% |\n",
                   result.worker.c_str(), result.kernel.c_str(),
                   static_cast<long long>(result.spec.sequences), static_cast<long long>(result.spec.prompt),
                   static_cast<long long>(result.launches), result.seconds / launches * 1e6,
                   result.bytesRead / launches / (1 << 20), result.bandwidth() * 1e-9,
                   bandwidthShare(environment, result.onGpu, result.bandwidth()) * 100);
}

std::string startUpTable(const Environment &environment) {
  return formatted("| %-30s | %9s |\n| ------------------------------ | --------: |\n", "start-up",
                   "seconds") +
         formatted("| %-30s | %9.3f |\n", "process start to load done",
                   static_cast<double>(environment.loadNs) * 1e-9) +
         formatted(
             "| %-30s | %9.3f |\n",
             formatted("to first token, pp%lld", static_cast<long long>(environment.firstPrompt)).c_str(),
             static_cast<double>(environment.firstTokenNs) * 1e-9);
}

} // namespace lamina::bench
