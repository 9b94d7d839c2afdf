//===- Fields.cpp - results under the field names of llama.cpp's benchmarks ---------------------------===//

#include "tools/lamina-bench/Fields.h"

#include "tools/lamina-bench/Statistics.h"

namespace lamina::bench {
namespace {

using Json = nlohmann::ordered_json;

Json workersJson(const Environment &environment, const std::vector<WorkerUse> &workers) {
  Json out = Json::array();
  for (const WorkerUse &worker : workers)
    out.push_back({{"name", worker.name},
                   {"class", worker.deviceClass},
                   {"busy", worker.busyShare},
                   {"bytes_sent_per_token", worker.bytesSentPerToken},
                   {"bytes_received_per_token", worker.bytesReceivedPerToken},
                   {"communication_ns_per_step", worker.communicationNsPerStep},
                   {"bytes_read_per_step", worker.bytesReadPerStep},
                   {"bandwidth", worker.bandwidth},
                   {"bandwidth_share", bandwidthShare(environment, worker.onGpu, worker.bandwidth)}});
  return out;
}

std::vector<double> asDoubles(const std::vector<uint64_t> &values) { return {values.begin(), values.end()}; }

std::string csvValue(const Json &value) {
  if (value.is_boolean())
    return value.get<bool>() ? "1" : "0";
  if (value.is_number_float())
    return std::to_string(value.get<double>());
  if (!value.is_string())
    return value.dump();
  std::string text;
  for (char c : value.get<std::string>())
    text += c == '"' ? std::string("\"\"") : std::string(1, c);
  return text;
}

} // namespace

Json testFields(const Environment &environment, const TestResult &result) {
  std::vector<double> rates = tokensPerSecond(result.spec.tokens(), result.nanoseconds);
  std::vector<double> times = asDoubles(result.nanoseconds);
  return {{"build_commit", "lamina-" LAMINA_VERSION},
          {"build_number", 0},
          {"cpu_info", environment.cpu},
          {"gpu_info", environment.gpu},
          {"backends", environment.backend()},
          {"model_filename", environment.modelFile},
          {"model_type", environment.modelType},
          {"model_size", environment.modelBytes},
          {"model_n_params", environment.parameters},
          {"n_batch", environment.batchTokens},
          {"n_ubatch", environment.batchTokens},
          {"n_threads", environment.threads},
          {"cpu_mask", "0x0"},
          {"cpu_strict", false},
          {"poll", 0},
          {"type_k", environment.cacheType},
          {"type_v", environment.cacheType},
          {"n_gpu_layers", 0},
          {"n_cpu_moe", 0},
          {"split_mode", "none"},
          {"main_gpu", 0},
          {"no_kv_offload", false},
          {"flash_attn", 1},
          {"devices", "auto"},
          {"tensor_split", "0.00"},
          {"tensor_buft_overrides", "none"},
          {"load_mode", "mmap"},
          {"lazy_mode", "off"},
          {"embeddings", false},
          {"no_op_offload", 0},
          {"no_host", false},
          {"repack", true},
          {"fit_target", 0},
          {"fit_min_ctx", 0},
          {"n_prompt", result.spec.prompt},
          {"n_gen", result.spec.generate},
          {"n_depth", result.spec.depth},
          {"test_time", timeText()},
          {"avg_ns", static_cast<uint64_t>(mean(times))},
          {"stddev_ns", static_cast<uint64_t>(standardDeviation(times))},
          {"avg_ts", mean(rates)},
          {"stddev_ts", standardDeviation(rates)}};
}

Json testJson(const Environment &environment, const TestResult &result) {
  Json json = testFields(environment, result);
  json["samples_ns"] = result.nanoseconds;
  json["samples_ts"] = tokensPerSecond(result.spec.tokens(), result.nanoseconds);
  json["load_ns"] = environment.loadNs;
  json["first_token_ns"] = environment.firstTokenNs;
  json["workers"] = workersJson(environment, result.workers);
  return json;
}

Json batchedFields(const Environment &environment, const BatchedResult &result) {
  const BatchedSpec &spec = result.spec;
  return {{"n_kv_max", environment.cacheTokens},
          {"n_batch", environment.batchTokens},
          {"n_ubatch", environment.batchTokens},
          {"flash_attn", 1},
          {"is_pp_shared", 0},
          {"n_gpu_layers", 0},
          {"n_threads", environment.threads},
          {"n_threads_batch", environment.threads},
          {"pp", spec.prompt},
          {"tg", spec.generate},
          {"pl", spec.sequences},
          {"n_kv", spec.sequences * spec.tokensEach()},
          {"t_pp", result.promptSeconds()},
          {"speed_pp", result.promptRate()},
          {"t_tg", result.generateSeconds()},
          {"speed_tg", result.generateRate()},
          {"t", result.promptSeconds() + result.generateSeconds()},
          {"speed", result.rate()}};
}

Json batchedJson(const Environment &environment, const BatchedResult &result) {
  Json json = batchedFields(environment, result);
  json["workers"] = workersJson(environment, result.workers);
  return json;
}

Json kernelJson(const Environment &environment, const KernelResult &result) {
  return {{"worker", result.worker},
          {"kernel", result.kernel},
          {"label", result.label},
          {"gpu", result.onGpu},
          {"pl", result.spec.sequences},
          {"pp", result.spec.prompt},
          {"launches", result.launches},
          {"seconds", result.seconds},
          {"bytes_read", result.bytesRead},
          {"bandwidth", result.bandwidth()},
          {"bandwidth_share", bandwidthShare(environment, result.onGpu, result.bandwidth())}};
}

std::string csvLine(const Json &fields) {
  std::string line;
  for (const Json &value : fields)
    line += (line.empty() ? "\"" : ",\"") + csvValue(value) + "\"";
  return line;
}

std::string csvHeader(const Json &fields) {
  std::string line;
  for (const auto &[name, value] : fields.items())
    line += (line.empty() ? "" : ",") + name;
  return line;
}

} // namespace lamina::bench
