//===- Bench.cpp - runs what the command line asks for ------------------------------------------------===//

#include "tools/lamina-bench/Bench.h"

#include "runtime/base/Clock.h"
#include "runtime/base/StrCat.h"
#include "runtime/executor/PlanCheck.h"
#include "tools/common/OpenArtifact.h"
#include "tools/common/SourceFiles.h"
#include "tools/common/Trace.h"
#include "tools/lamina-bench/CudaProbe.h"
#include "tools/lamina-bench/Fields.h"
#include "tools/lamina-bench/KernelBench.h"
#include "tools/lamina-bench/Needs.h"
#include "tools/lamina-bench/Probe.h"
#include "tools/lamina-bench/Tables.h"
#include "tools/lamina-bench/Writer.h"

#include <algorithm>
#include <cstdio>

namespace lamina::bench {
namespace {

/// What the start-up row's prompt has.
constexpr int64_t kFirstPrompt = 16;

struct Output {
  std::unique_ptr<Writer> writer, errorWriter;

  template <typename Result> void put(const Environment &environment, const Result &result) {
    for (Writer *each : {writer.get(), errorWriter.get()})
      if constexpr (std::is_same_v<Result, TestResult>)
        each->test(environment, result);
      else
        each->batched(environment, result);
  }
};

/// A line on standard error for each test that begins.
class Progress {
public:
  explicit Progress(const BenchOptions &options)
      : shown_(options.progress),
        count_((options.tests.size() + options.batched.size()) * options.threads.size()) {}

  void begin(const std::string &test) {
    ++done_;
    if (shown_)
      std::fprintf(stderr, "lamina-bench: benchmark %zu/%zu: %s\n", done_, count_, test.c_str());
  }

private:
  bool shown_;
  size_t count_, done_ = 0;
};

/// What GPU 0 can do, if a worker has a GPU. Before any in this process: what opened the driver cannot fork a
/// process that measures.
absl::StatusOr<std::optional<CudaFigures>> probeIfUsed(const plan::Plan &plan) {
  for (const plan::Worker &worker : plan.workers())
    if (runsOnGpu(plan, worker))
      return probeCuda(CudaParts::Bandwidth);
  return std::nullopt;
}

/// The artifact, if the tests can be run on it.
absl::StatusOr<ArtifactReader> openFor(const BenchOptions &options, uint64_t *began = nullptr) {
  LAMINA_ASSIGN_OR_RETURN(
      ArtifactReader artifact,
      openArtifact({options.model, options.threads.front(), compileFlags(options)}, began));
  if (isFunction(artifact.plan()))
    return absl::FailedPreconditionError(strCat(
        options.model, " computes tensors from tensors; what is measured are models that generate tokens"));
  LAMINA_RETURN_IF_ERROR(checkRoom(options, limitsOf(artifact.plan())));
  return artifact;
}

void setGpu(Environment &environment, const std::optional<CudaFigures> &gpu) {
  if (!gpu)
    return;
  environment.gpu = gpu->name;
  environment.gpuBandwidth = std::max(gpu->copy, gpu->read);
}

/// Everything with one number of threads.
absl::Status runWith(const BenchOptions &options, const ArtifactReader &artifact, int threads, uint64_t began,
                     const std::optional<CudaFigures> &gpu, Output &output, Progress &progress) {
  LAMINA_ASSIGN_OR_RETURN(std::unique_ptr<Engine> engine,
                          Engine::create(artifact.plan(), artifact.path(),
                                         {.threadsPerWorker = threads,
                                          .inProcess = options.inProcess,
                                          .trace = !options.traceFile.empty()}));
  EngineRunner runner(*engine, artifact.plan());
  Environment environment = describe(options.model, artifact.plan(), threads);
  environment.loadNs = monotonicNanoseconds() - began;
  Bencher bencher(artifact.plan(), *engine, runner, options.fill);
  environment.firstPrompt = std::min(kFirstPrompt, runner.limits().context);
  LAMINA_RETURN_IF_ERROR(bencher.prompt(environment.firstPrompt));
  environment.firstTokenNs = monotonicNanoseconds() - began;
  LAMINA_ASSIGN_OR_RETURN(environment.readBandwidth, readBandwidth(threads));
  setGpu(environment, gpu);
  for (const TestSpec &spec : options.tests) {
    progress.begin(spec.name());
    LAMINA_ASSIGN_OR_RETURN(TestResult result, bencher.run(spec, options.repetitions, options.warmUp));
    output.put(environment, result);
  }
  for (const BatchedSpec &spec : options.batched) {
    progress.begin(strCat(spec.sequences, " sequences"));
    LAMINA_ASSIGN_OR_RETURN(BatchedResult result, bencher.run(spec, options.warmUp));
    output.put(environment, result);
  }
  return options.traceFile.empty() ? absl::OkStatus() : writeTrace(*engine, options.traceFile);
}

} // namespace

std::string TestSpec::name() const {
  std::string text;
  if (prompt > 0)
    text = strCat("pp", prompt);
  if (generate > 0)
    text += strCat(prompt > 0 ? "+" : "", "tg", generate);
  return depth > 0 ? strCat(text, " @ d", depth) : text;
}

absl::Status runTests(const BenchOptions &options, uint64_t began) {
  if (!options.traceFile.empty())
    LAMINA_RETURN_IF_ERROR(checkTraceFile(options.traceFile));
  uint64_t opened = 0;
  LAMINA_ASSIGN_OR_RETURN(ArtifactReader artifact, openFor(options, &opened));
  // An artifact's start-up begins with the process; that of another model, when it is compiled.
  if (looksLikeSource(options.model))
    began = opened;
  // Workers in this process open the driver, and then no process that is forked can.
  uint64_t before = monotonicNanoseconds();
  LAMINA_ASSIGN_OR_RETURN(std::optional<CudaFigures> gpu, probeIfUsed(artifact.plan()));
  began += monotonicNanoseconds() - before;
  Output output = {Writer::create(options.output, stdout), Writer::create(options.errorOutput, stderr)};
  Progress progress(options);
  for (int threads : options.threads) {
    LAMINA_RETURN_IF_ERROR(runWith(options, artifact, threads, began, gpu, output, progress));
    began = monotonicNanoseconds(); // what follows has no process of its own
  }
  output.writer->finish();
  output.errorWriter->finish();
  return absl::OkStatus();
}

absl::Status runKernels(const BenchOptions &options) {
  int threads = options.threads.front();
  LAMINA_ASSIGN_OR_RETURN(ArtifactReader artifact, openFor(options));
  const plan::Plan &plan = artifact.plan();
  LAMINA_RETURN_IF_ERROR(checkPlan(plan));
  Environment environment = describe(options.model, plan, threads);
  LAMINA_ASSIGN_OR_RETURN(environment.readBandwidth, readBandwidth(threads));
  LAMINA_ASSIGN_OR_RETURN(std::optional<CudaFigures> gpu, probeIfUsed(plan));
  setGpu(environment, gpu);
  LAMINA_ASSIGN_OR_RETURN(std::vector<KernelResult> kernels,
                          benchKernels(plan, artifact.path(), options.batched, threads));
  std::string text = options.output == Format::Markdown ? kernelHeader() : "";
  for (const KernelResult &kernel : kernels)
    text += options.output == Format::Markdown ? kernelRow(environment, kernel)
                                               : kernelJson(environment, kernel).dump() + "\n";
  std::fputs(text.c_str(), stdout);
  return absl::OkStatus();
}

absl::Status runCudaProbe() {
  LAMINA_ASSIGN_OR_RETURN(CudaFigures figures, probeCuda(CudaParts::All));
  std::fputs(cudaTable(figures).c_str(), stdout);
  return absl::OkStatus();
}

int benchMain(int argc, char **argv, uint64_t began) {
  ParsedCommandLine parsed = parseCommandLine(argc, argv);
  if (!parsed.options)
    return parsed.exitStatus;
  absl::Status status = parsed.options->cuda      ? runCudaProbe()
                        : parsed.options->probe   ? probe(*parsed.options)
                        : parsed.options->kernels ? runKernels(*parsed.options)
                                                  : runTests(*parsed.options, began);
  // A full disk behind a redirection shows only when the buffer is written.
  if (status.ok() && (std::fflush(stdout) != 0 || std::ferror(stdout) != 0))
    status = absl::UnavailableError("cannot write to standard output; is the disk full?");
  if (status.ok())
    return 0;
  std::fflush(stdout);
  std::fprintf(stderr, "lamina-bench: error: %s\n", std::string(status.message()).c_str());
  return 1;
}

} // namespace lamina::bench
