//===- Check.cpp - --check ----------------------------------------------------------------------------===//

#include "runtime/base/StrCat.h"
#include "runtime/device/DeviceKind.h"
#include "runtime/executor/PlanCheck.h"
#include "tools/lamina-run/Report.h"
#include "tools/lamina-run/Run.h"

#include <nlohmann/json.hpp>

#include <cstdio>

namespace lamina::run {
namespace {

/// The code target that each worker would use here.
absl::StatusOr<std::vector<std::string>> usableTargets(const ArtifactReader &artifact) {
  std::vector<std::string> chosen;
  for (const plan::Worker &worker : artifact.plan().workers()) {
    std::vector<CodeFile> files;
    for (const plan::CodeObject &code : worker.code())
      files.push_back({artifact.filePath(code.file()), code.target()});
    if (files.empty())
      continue;
    const plan::DeviceClass &deviceClass = artifact.plan().classes(static_cast<int>(worker.device_class()));
    absl::StatusOr<std::string> target = usableTarget(deviceClass.device(), files);
    if (!target.ok())
      return absl::Status(target.status().code(),
                          strCat("worker '", worker.name(), "': ", target.status().message()));
    chosen.push_back(*std::move(target));
  }
  return chosen;
}

} // namespace

absl::Status check(const RunOptions &options) {
  LAMINA_ASSIGN_OR_RETURN(ArtifactReader artifact, openModel(options));
  LAMINA_RETURN_IF_ERROR(checkPlan(artifact.plan()));
  LAMINA_ASSIGN_OR_RETURN(std::vector<std::string> targets, usableTargets(artifact));
  LAMINA_RETURN_IF_ERROR(loadTokenizer(artifact.filePath(kTokenizerFile)).status());
  size_t files = artifact.manifest().files.size() + 1;
  if (options.json) {
    std::printf("%s\n", dumpLine({{"ok", true},
                                  {"files", files},
                                  {"bytes", artifact.totalBytes()},
                                  {"format_version", artifact.manifest().formatVersion},
                                  {"targets", targets}})
                            .c_str());
    return absl::OkStatus();
  }
  std::string used;
  for (const std::string &target : targets)
    if (used.find(target) == std::string::npos)
      used += (used.empty() ? "" : ", ") + target;
  std::printf("%s: %zu files, %s, every hash is right; the plan is sound; this machine runs it with %s\n",
              artifact.path().c_str(), files, bytesText(static_cast<double>(artifact.totalBytes())).c_str(),
              used.empty() ? "no code at all" : used.c_str());
  return absl::OkStatus();
}

} // namespace lamina::run
