//===- Environment.cpp - what all tests of a run have in common ---------------------------------------===//

#include "tools/lamina-bench/Environment.h"

#include "runtime/base/StrCat.h"

#include <cstdio>
#include <ctime>
#include <fstream>
#include <sys/utsname.h>

namespace lamina::bench {
namespace {

/// "1.10B", "134.52M".
std::string sizeText(uint64_t parameters) {
  char text[32];
  bool billions = parameters >= 1000000000;
  std::snprintf(text, sizeof(text), "%.2f%c", static_cast<double>(parameters) / (billions ? 1e9 : 1e6),
                billions ? 'B' : 'M');
  return text;
}

} // namespace

std::string cpuName() {
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);)
    if (size_t colon = line.find(": "); line.starts_with("model name") && colon != std::string::npos)
      return line.substr(colon + 2);
  utsname system;
  return ::uname(&system) == 0 ? system.machine : "unknown processor";
}

std::string timeText() {
  std::time_t now = std::time(nullptr);
  std::tm fields;
  char text[32];
  std::strftime(text, sizeof(text), "%FT%TZ", ::gmtime_r(&now, &fields));
  return text;
}

double bandwidthShare(const Environment &environment, bool onGpu, double bandwidth) {
  double all = onGpu ? environment.gpuBandwidth : environment.readBandwidth;
  return all > 0 ? bandwidth / all : 0;
}

Environment describe(const std::string &modelFile, const plan::Plan &plan, int threads) {
  const plan::Model &model = plan.model();
  // The types are sorted by bytes: the first is what the model is quantised to.
  std::string type = model.weight_types().substr(0, model.weight_types().find(','));
  Environment environment;
  environment.modelFile = modelFile;
  environment.modelType = strCat(model.architecture(), " ", sizeText(model.parameters()), " ", type);
  environment.parameters = model.parameters();
  environment.batchTokens = plan.limits().max_batch_tokens();
  environment.cacheTokens = int64_t{plan.limits().kv_pages()} * plan.limits().kv_page_tokens();
  environment.threads = threads;
  environment.cpu = cpuName();
  for (const plan::Worker &worker : plan.workers()) {
    environment.modelBytes += worker.weights_bytes();
    if (!worker.caches().empty())
      environment.cacheType = worker.caches(0).element_type();
  }
  return environment;
}

} // namespace lamina::bench
