//===- Function.cpp - a model that computes outputs from inputs ---------------------------------------===//

#include "runtime/base/StrCat.h"
#include "runtime/executor/PlanCheck.h"
#include "runtime/io/NpyFile.h"
#include "runtime/io/NpyWriter.h"
#include "tools/lamina-run/Interrupt.h"
#include "tools/lamina-run/Report.h"
#include "tools/lamina-run/Run.h"
#include "tools/lamina-run/Session.h"

#include <nlohmann/json.hpp>

#include <cstdio>
#include <cstring>
#include <filesystem>
#include <set>

namespace lamina::run {
namespace {

std::string shapeText(const auto &shape) {
  std::string text;
  for (auto size : shape)
    text += strCat(text.empty() ? "" : ", ", size);
  return strCat("[", text, "]");
}

std::string typeText(const plan::Port &port) { return port.element_type() + shapeText(port.shape()); }

std::string namesOf(const plan::Plan &plan) {
  std::string names;
  for (const plan::Port &port : plan.inputs())
    names += (names.empty() ? "" : ", ") + port.name();
  return names.empty() ? "none" : names;
}

/// The file of each input, in the plan's order. Names may contain '=' themselves.
absl::StatusOr<std::vector<std::string>> filesOfInputs(const plan::Plan &plan,
                                                       const std::vector<std::string> &given) {
  std::vector<std::string> files(static_cast<size_t>(plan.inputs_size()));
  for (const std::string &pair : given) {
    int found = -1;
    for (int i = 0; i < plan.inputs_size(); ++i)
      if (pair.starts_with(plan.inputs(i).name() + "=") &&
          (found < 0 || plan.inputs(i).name().size() > plan.inputs(found).name().size()))
        found = i;
    if (found < 0)
      return absl::InvalidArgumentError(strCat(
          "--input ", quoteName(pair), " is not NAME=FILE.npy with an input of the model: ", namesOf(plan)));
    std::string &file = files[static_cast<size_t>(found)];
    if (!file.empty())
      return absl::InvalidArgumentError(
          strCat("input ", quoteName(plan.inputs(found).name()), " is given twice"));
    file = pair.substr(plan.inputs(found).name().size() + 1);
  }
  for (int i = 0; i < plan.inputs_size(); ++i)
    if (files[static_cast<size_t>(i)].empty())
      return absl::InvalidArgumentError(strCat("input ", quoteName(plan.inputs(i).name()),
                                               " is missing; give --input ", plan.inputs(i).name(),
                                               "=FILE.npy with ", typeText(plan.inputs(i))));
  return files;
}

absl::Status fill(std::span<std::byte> memory, const plan::Port &port, const std::string &path) {
  LAMINA_ASSIGN_OR_RETURN(NpyArray array, readNpy(path));
  bool sameShape =
      std::equal(array.shape.begin(), array.shape.end(), port.shape().begin(), port.shape().end(),
                 [](int64_t a, uint64_t b) { return static_cast<uint64_t>(a) == b; });
  if (!npyHolds(array, port.element_type()) || !sameShape)
    return absl::InvalidArgumentError(strCat("'", path, "' holds elements of type '", array.descr,
                                             "' and shape ", shapeText(array.shape), ", input ",
                                             quoteName(port.name()), " is ", typeText(port), " ('",
                                             npyDescr(port.element_type()), "')"));
  if (port.element_type() == "bool") // kernels rely on 0 and 1
    for (uint8_t &element : array.data)
      element = element != 0;
  std::memcpy(memory.data(), array.data.data(), array.data.size());
  return absl::OkStatus();
}

/// A name of a file in the output folder for each output: what is not a plain character is '_'.
std::vector<std::string> fileNames(const plan::Plan &plan) {
  std::set<std::string> taken;
  std::vector<std::string> names;
  for (const plan::Port &port : plan.outputs()) {
    std::string name;
    for (char c : port.name())
      name += std::isalnum(static_cast<unsigned char>(c)) || c == '.' || c == '-' ? c : '_';
    if (name.empty() || name.front() == '.')
      name.insert(0, "_");
    name.resize(std::min<size_t>(name.size(), 200));
    std::string unique = name;
    for (int i = 2; !taken.insert(unique).second; ++i)
      unique = strCat(name, "_", i);
    names.push_back(unique + ".npy");
  }
  return names;
}

absl::Status writeOutputs(const plan::Plan &plan, const Engine &engine, const RunOptions &options) {
  const std::string &folder = options.outputFolder;
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error)
    return absl::UnavailableError(strCat("cannot make the folder '", folder, "': ", error.message()));
  std::vector<std::string> names = fileNames(plan);
  nlohmann::ordered_json outputs = nlohmann::ordered_json::array();
  for (int i = 0; i < plan.outputs_size(); ++i) {
    if (interrupted())
      return absl::CancelledError("interrupted");
    const plan::Port &port = plan.outputs(i);
    std::vector<int64_t> shape(port.shape().begin(), port.shape().end());
    std::span<const std::byte> bytes = engine.output(i);
    std::string path = strCat(folder, "/", names[static_cast<size_t>(i)]);
    LAMINA_RETURN_IF_ERROR(writeNpy(path, npyDescr(port.element_type()), shape,
                                    {reinterpret_cast<const uint8_t *>(bytes.data()), bytes.size()}));
    outputs.push_back(portJson(port));
    outputs.back()["file"] = path;
    if (!options.json)
      std::printf("%s: %s in %s\n", quoteName(port.name()).c_str(), typeText(port).c_str(), path.c_str());
  }
  if (options.json)
    std::printf("%s\n", dumpLine({{"outputs", outputs}}).c_str());
  return absl::OkStatus();
}

} // namespace

absl::Status runFunction(const RunOptions &options) {
  LAMINA_ASSIGN_OR_RETURN(ArtifactReader artifact, openModel(options));
  const plan::Plan &plan = artifact.plan();
  LAMINA_RETURN_IF_ERROR(checkPlan(plan));
  if (!isFunction(plan))
    return absl::InvalidArgumentError(
        "the model generates text and takes no tensors; give --prompt instead of --output-dir");
  LAMINA_ASSIGN_OR_RETURN(std::vector<std::string> files, filesOfInputs(plan, options.inputs));
  EngineOptions engineOptions = {
      .threadsPerWorker = options.threads, .inProcess = options.inProcess, .interrupted = interrupted};
  LAMINA_ASSIGN_OR_RETURN(std::unique_ptr<Engine> engine,
                          Engine::create(plan, artifact.path(), engineOptions));
  for (int i = 0; i < plan.inputs_size(); ++i)
    LAMINA_RETURN_IF_ERROR(fill(engine->input(i), plan.inputs(i), files[static_cast<size_t>(i)]));
  catchInterrupts();
  LAMINA_RETURN_IF_ERROR(engine->step({.tokens = 1, .outputRows = 0, .sequences = 1, .blockTableStride = 0}));
  return writeOutputs(plan, *engine, options);
}

} // namespace lamina::run
