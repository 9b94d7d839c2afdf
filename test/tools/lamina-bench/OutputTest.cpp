//===- OutputTest.cpp - tables, fields and formats ----------------------------------------------------===//

#include "tools/lamina-bench/Fields.h"
#include "tools/lamina-bench/Probe.h"
#include "tools/lamina-bench/Tables.h"
#include "tools/lamina-bench/Writer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace lamina::bench {
namespace {

using testing::HasSubstr;
using testing::StartsWith;
using Json = nlohmann::ordered_json;

Environment environment() {
  Environment environment;
  environment.modelFile = "dir/a \"b\".lamina";
  environment.modelType = "llama 1.10B Q4_0";
  environment.modelBytes = uint64_t{600} << 20;
  environment.parameters = 1100000000;
  environment.batchTokens = 512;
  environment.cacheTokens = 8192;
  environment.cacheType = "f16";
  environment.threads = 2;
  environment.cpu = "AMD EPYC";
  environment.loadNs = 250000000;
  environment.firstTokenNs = 400000000;
  environment.firstPrompt = 16;
  environment.readBandwidth = 32e9;
  return environment;
}

WorkerUse use() { return {"compute0", "compute", 0.75, 1000, 500, 12500, 6e8, 24e9}; }

TestResult tg128() { return {{.generate = 128, .depth = 4096}, {2000000000, 4000000000}, {use()}}; }
BatchedResult eight() { return {{128, 64, 8}, 2000000000, 4000000000, {use()}}; }

/// What a writer puts into its file.
std::string written(Format format, bool test, bool batched) {
  std::FILE *file = std::tmpfile();
  auto writer = Writer::create(format, file);
  if (test) {
    writer->test(environment(), tg128());
    writer->test(environment(), {{.prompt = 512}, {1000000000}, {}});
  }
  if (batched)
    writer->batched(environment(), eight());
  writer->finish();
  std::string text(static_cast<size_t>(std::ftell(file)), '\0');
  std::rewind(file);
  EXPECT_EQ(std::fread(text.data(), 1, text.size(), file), text.size());
  std::fclose(file);
  return text;
}

// What a llama-bench of 2026 prints as the header of its CSV.
constexpr char kLlamaBenchColumns[] =
    "build_commit,build_number,cpu_info,gpu_info,backends,model_filename,model_type,model_size,model_n_"
    "params,n_batch,"
    "n_ubatch,n_threads,cpu_mask,cpu_strict,poll,type_k,type_v,n_gpu_layers,n_cpu_moe,split_mode,main_gpu,"
    "no_kv_offload,flash_attn,devices,tensor_split,tensor_buft_overrides,load_mode,lazy_mode,embeddings,no_"
    "op_offload,"
    "no_host,repack,fit_target,fit_min_ctx,n_prompt,n_gen,n_depth,test_time,avg_ns,stddev_ns,avg_ts,stddev_"
    "ts";

TEST(Output, HasLlamaBenchsColumnsAsCsv) {
  std::string text = written(Format::Csv, true, false);
  EXPECT_EQ(text.substr(0, text.find('\n')), kLlamaBenchColumns);
  EXPECT_THAT(text, HasSubstr("\"lamina-"));
  EXPECT_THAT(text,
              HasSubstr("\"dir/a \"\"b\"\".lamina\",\"llama 1.10B Q4_0\",\"629145600\",\"1100000000\""));
  EXPECT_THAT(text, HasSubstr(",\"3000000000\",\"1414213562\",\"48.000000\",\"22.627417\"\n"));
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 3);
}

TEST(Output, HasLlamaBenchsFieldsAsJson) {
  Json tests = Json::parse(written(Format::Json, true, false));
  ASSERT_EQ(tests.size(), 2u);
  EXPECT_EQ(tests[0]["n_gen"], 128);
  EXPECT_EQ(tests[0]["n_depth"], 4096);
  EXPECT_EQ(tests[0]["samples_ns"], Json({2000000000, 4000000000}));
  EXPECT_EQ(tests[0]["samples_ts"], Json({64.0, 32.0}));
  EXPECT_EQ(tests[0]["load_ns"], 250000000);
  EXPECT_EQ(tests[0]["first_token_ns"], 400000000);
  const Json &worker = tests[0]["workers"][0];
  EXPECT_EQ(worker["name"], "compute0");
  EXPECT_EQ(worker["busy"], 0.75);
  EXPECT_EQ(worker["bytes_sent_per_token"], 1000.0);
  EXPECT_EQ(worker["communication_ns_per_step"], 12500.0);
  EXPECT_EQ(worker["bandwidth_share"], 0.75);
  std::string names;
  for (const auto &[name, value] : tests[1].items())
    names += (names.empty() ? "" : ",") + name;
  EXPECT_EQ(names, std::string(kLlamaBenchColumns) + ",samples_ns,samples_ts,load_ns,first_token_ns,workers");
}

TEST(Output, HasOneObjectALineAsJsonLines) {
  std::string text = written(Format::JsonLines, true, true);
  std::vector<Json> objects;
  for (size_t begin = 0; begin < text.size(); begin = text.find('\n', begin) + 1)
    objects.push_back(Json::parse(text.substr(begin, text.find('\n', begin) - begin)));
  ASSERT_EQ(objects.size(), 3u);
  EXPECT_EQ(objects[1]["n_prompt"], 512);
  EXPECT_EQ(objects[2]["pl"], 8);
  EXPECT_EQ(objects[2]["n_kv"], 8 * 192);
  EXPECT_EQ(objects[2]["speed_pp"], 512.0);
  EXPECT_EQ(objects[2]["speed_tg"], 128.0);
  EXPECT_EQ(objects[2]["speed"], 256.0);
}

TEST(Output, LooksLikeLlamaBenchAsMarkdown) {
  std::string text = written(Format::Markdown, true, true);
  EXPECT_THAT(text,
              StartsWith("| model                          |       size |     params | backend    | threads |"
                         "            test |                  t/s |\n"));
  EXPECT_THAT(text,
              HasSubstr("| llama 1.10B Q4_0               | 600.00 MiB |     1.10 B | CPU        |       2 |"
                        "   tg128 @ d4096 |        48.00 ± 22.63 |\n"));
  EXPECT_THAT(text, HasSubstr("|    PP |     TG |    B |   N_KV |   T_PP s | S_PP t/s |   T_TG s | S_TG t/s |"
                              "      T s |    S t/s |\n"));
  EXPECT_THAT(text, HasSubstr("|   128 |     64 |    8 |   1536 |    2.000 |   512.00 |    4.000 |   128.00 |"
                              "    6.000 |   256.00 |\n"));
  EXPECT_THAT(
      text,
      HasSubstr("| tg128 @ d4096      | compute0     |  75.0% |             1500 |              12.5 us "
                "|    24.00 |    75.0% |\n"));
  EXPECT_THAT(text, HasSubstr("| process start to load done     |     0.250 |\n"
                              "| to first token, pp16           |     0.400 |\n"));
  // Every row of a table has as many columns as its header.
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 4 + 1 + 3 + 1 + 4 + 1 + 4 + 2);
}

TEST(Output, IsNothingIfAskedFor) { EXPECT_EQ(written(Format::None, true, true), ""); }

TEST(Output, DescribesTheMachineAsACluster) {
  ProbeFigures figures = {.threads = 2,
                          .bandwidthOne = 20e9,
                          .bandwidthAll = 32e9,
                          .floatKernel = "avx2 vfmadd",
                          .integerKernel = "avx2 vpmaddubsw vpmaddwd",
                          .flopsOne = 100e9,
                          .flopsAll = 200e9,
                          .intOpsOne = 300e9,
                          .intOpsAll = 600e9,
                          .transportOne = {0.9e-6, 8e9},
                          .transportAll = {1.2e-6, 10e9},
                          .memoryBytes = uint64_t{16} << 30};
  std::string text = clusterText(figures);
  EXPECT_THAT(text,
              HasSubstr("- { name: memory, role: memory, device: cpu, memory: 16384MiB, flops: 2.000e+11, "
                        "int8_ops: 6.000e+11, bandwidth: 3.200e+10 }\n"));
  EXPECT_THAT(text, HasSubstr("- { from: compute, to: memory, bandwidth: 1.000e+10, latency_ns: 600 }\n"));
  EXPECT_THAT(probeTable(figures),
              HasSubstr("| memory read                              |      20.00 |       32.00 "
                        "| GB/s    |\n"));
  EXPECT_THAT(probeTable(figures),
              HasSubstr("| transport, round trip of 64 bytes        |       0.90 |        1.20 "
                        "| us      |\n"));
}

} // namespace
} // namespace lamina::bench
