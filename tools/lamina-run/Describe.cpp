//===- Describe.cpp - --describe ----------------------------------------------------------------------===//

#include "runtime/base/StrCat.h"
#include "runtime/device/KernelABI.h"
#include "runtime/executor/PlanCheck.h"
#include "tools/lamina-run/Report.h"
#include "tools/lamina-run/Run.h"

#include "absl/strings/escaping.h"

#include <nlohmann/json.hpp>

#include <cstdio>
#include <map>
#include <set>

namespace lamina::run {
namespace {

using Json = nlohmann::ordered_json;

struct WorkerSizes {
  uint64_t kvBytesPerToken = 0;
  uint64_t kvBytes = 0;
  uint64_t dispatches = 0, sends = 0, receives = 0;
};

WorkerSizes sizesOf(const plan::Worker &worker, const plan::Limits &limits) {
  WorkerSizes sizes;
  for (const plan::Cache &cache : worker.caches()) {
    sizes.kvBytes += cache.page_bytes() * limits.kv_pages();
    sizes.kvBytesPerToken += cache.page_bytes() / LAMINA_KV_PAGE_TOKENS;
  }
  for (const plan::Instruction &instruction : worker.program()) {
    sizes.dispatches += instruction.has_dispatch();
    sizes.sends += instruction.has_send();
    sizes.receives += instruction.has_recv();
  }
  return sizes;
}

/// A plan that cannot be run can be described.
plan::DeviceClass classOf(const plan::Plan &plan, const plan::Worker &worker) {
  if (worker.device_class() < static_cast<uint32_t>(plan.classes_size()))
    return plan.classes(static_cast<int>(worker.device_class()));
  plan::DeviceClass unknown;
  unknown.set_name("?");
  unknown.set_device("?");
  return unknown;
}

std::string sizeText(uint64_t bytes) { return bytes == 0 ? "-" : bytesText(static_cast<double>(bytes)); }

/// What an artifact calls something, for a terminal.
std::string shown(std::string_view name) { return absl::CHexEscape(toAbsl(name)); }

std::string joined(const auto &parts) {
  std::string text;
  for (const std::string &part : parts)
    text += (text.empty() ? "" : ", ") + shown(part);
  return text;
}

void printModel(const ArtifactReader &artifact) {
  const plan::Model &model = artifact.plan().model();
  std::printf("%s (%s): %u layers, hidden size %u, %s weights in %s, vocabulary %u, trained for %u tokens\n",
              shown(model.name().empty() ? artifact.manifest().modelName : model.name()).c_str(),
              shown(model.architecture()).c_str(), model.layers(), model.hidden_size(),
              countText(model.parameters()).c_str(), shown(model.weight_types()).c_str(), model.vocab_size(),
              model.context_length());
}

/// What the bytes of a transfer are counted by.
const char *unitOf(const plan::Plan &plan) { return isFunction(plan) ? "run" : "token"; }

/// The partition in words.
void printCut(const plan::Plan &plan) {
  const plan::PartitionSummary &cut = plan.partition();
  if (cut.memory_fragments() == 0) {
    std::printf("Not cut: one device class runs everything, and nothing crosses a link\n");
    return;
  }
  std::printf(
      "Cut at attention into %u compute and %u memory fragments. Each cut keeps %s of context per %s on the "
      "compute side,\nthe minimum over all cuts; all transfers of a step together move %s per %s over the "
      "link\n",
      cut.compute_fragments(), cut.memory_fragments(),
      bytesText(static_cast<double>(cut.context_bytes_per_token())).c_str(), unitOf(plan),
      bytesText(static_cast<double>(cut.link_bytes_per_token())).c_str(), unitOf(plan));
}

void printWorkers(const plan::Plan &plan) {
  std::printf("\n%-12s %-10s %-6s %12s %12s %14s %12s %9s %9s\n", "worker", "class", "device", "weights",
              "KV cache", "KV per token", "activations", "kernels", "dispatches");
  for (const plan::Worker &worker : plan.workers()) {
    WorkerSizes sizes = sizesOf(worker, plan.limits());
    plan::DeviceClass deviceClass = classOf(plan, worker);
    std::printf("%-12s %-10s %-6s %12s %12s %14s %12s %9d %9llu\n", shown(worker.name()).c_str(),
                shown(deviceClass.name()).c_str(), shown(deviceClass.device()).c_str(),
                sizeText(worker.weights_bytes()).c_str(), sizeText(sizes.kvBytes).c_str(),
                sizeText(sizes.kvBytesPerToken).c_str(), sizeText(worker.arena_bytes()).c_str(),
                worker.kernels_size(), static_cast<unsigned long long>(sizes.dispatches));
  }
}

void printTransfers(const plan::Plan &plan) {
  if (plan.transfers().empty())
    return;
  // Equal layers have equal transfers: show what flows between two workers, not every message.
  std::map<std::pair<std::string, std::string>, std::pair<uint64_t, int>> flows;
  for (const plan::Transfer &transfer : plan.transfers()) {
    auto name = [&](uint32_t worker) {
      return worker < static_cast<uint32_t>(plan.workers_size())
                 ? plan.workers(static_cast<int>(worker)).name()
                 : "?";
    };
    auto &[bytes, messages] = flows[{name(transfer.source()), name(transfer.destination())}];
    bytes += transfer.bytes_per_row();
    ++messages;
  }
  std::printf("\n");
  for (const auto &[ends, flow] : flows)
    std::printf("%s -> %s: %d messages a step, %s per %s\n", shown(ends.first).c_str(),
                shown(ends.second).c_str(), flow.second, bytesText(static_cast<double>(flow.first)).c_str(),
                unitOf(plan));
}

void printLimits(const ArtifactReader &artifact) {
  const plan::Limits &limits = artifact.plan().limits();
  const ArtifactManifest &manifest = artifact.manifest();
  if (!isFunction(artifact.plan()))
    std::printf("\nLimits: %u tokens and %u rows of logits a step, %u sequences of at most %u tokens, %llu "
                "tokens in the "
                "KV cache\n",
                limits.max_batch_tokens(), limits.max_output_rows(), limits.max_sequences(),
                limits.max_context(),
                static_cast<unsigned long long>(limits.kv_pages()) * limits.kv_page_tokens());
  std::printf("Targets: %s\n", joined(manifest.targets).c_str());
  std::printf("Compiled by lamina %s from %s (sha256 %s)%s%s\n", shown(manifest.compilerVersion).c_str(),
              shown(manifest.modelName).c_str(), shown(manifest.modelSha256).c_str(),
              manifest.flags.empty() ? "" : " with ", joined(manifest.flags).c_str());
  std::printf("%zu files, %s, format version %u\n", manifest.files.size() + 1,
              bytesText(static_cast<double>(artifact.totalBytes())).c_str(), manifest.formatVersion);
}

std::string portText(const plan::Port &port) {
  std::string text = shown(port.name()) + ": " + shown(port.element_type()) + "[";
  for (int i = 0; i < port.shape_size(); ++i)
    text += strCat(i ? ", " : "", port.shape(i));
  return text + "]";
}

Json portsJson(const google::protobuf::RepeatedPtrField<plan::Port> &ports) {
  Json list = Json::array();
  for (const plan::Port &port : ports)
    list.push_back(portJson(port));
  return list;
}

Json descriptionJson(const ArtifactReader &artifact) {
  const plan::Plan &plan = artifact.plan();
  const plan::Limits &limits = plan.limits();
  Json workers = Json::array();
  for (const plan::Worker &worker : plan.workers()) {
    WorkerSizes sizes = sizesOf(worker, limits);
    plan::DeviceClass deviceClass = classOf(plan, worker);
    workers.push_back({{"name", worker.name()},
                       {"class", deviceClass.name()},
                       {"device", deviceClass.device()},
                       {"weights_bytes", worker.weights_bytes()},
                       {"kv_bytes", sizes.kvBytes},
                       {"kv_bytes_per_token", sizes.kvBytesPerToken},
                       {"arena_bytes", worker.arena_bytes()},
                       {"kernels", worker.kernels_size()},
                       {"dispatches", sizes.dispatches},
                       {"sends", sizes.sends},
                       {"receives", sizes.receives}});
  }
  const plan::Model &model = plan.model();
  const plan::PartitionSummary &cut = plan.partition();
  const ArtifactManifest &manifest = artifact.manifest();
  return {{"model",
           {{"name", model.name()},
            {"architecture", model.architecture()},
            {"layers", model.layers()},
            {"hidden_size", model.hidden_size()},
            {"vocab_size", model.vocab_size()},
            {"context_length", model.context_length()},
            {"parameters", model.parameters()},
            {"weight_types", model.weight_types()},
            {"file", manifest.modelName},
            {"sha256", manifest.modelSha256}}},
          {"partition",
           {{"compute_fragments", cut.compute_fragments()},
            {"memory_fragments", cut.memory_fragments()},
            {"context_bytes_per_token", cut.context_bytes_per_token()},
            {"link_bytes_per_token", cut.link_bytes_per_token()}}},
          {"workers", workers},
          {"limits",
           {{"max_batch_tokens", limits.max_batch_tokens()},
            {"max_output_rows", limits.max_output_rows()},
            {"max_sequences", limits.max_sequences()},
            {"max_context", limits.max_context()},
            {"kv_pages", limits.kv_pages()},
            {"kv_page_tokens", limits.kv_page_tokens()}}},
          {"targets", manifest.targets},
          {"compiler_version", manifest.compilerVersion},
          {"flags", manifest.flags},
          {"format_version", manifest.formatVersion},
          {"inputs", portsJson(plan.inputs())},
          {"outputs", portsJson(plan.outputs())},
          {"bytes", artifact.totalBytes()}};
}

/// Of a model that computes outputs from inputs.
void printFunction(const ArtifactReader &artifact) {
  const plan::Plan &plan = artifact.plan();
  std::printf("%s\n", shown(artifact.manifest().modelName).c_str());
  for (const plan::Port &port : plan.inputs())
    std::printf("  input  %s\n", portText(port).c_str());
  for (const plan::Port &port : plan.outputs())
    std::printf("  output %s\n", portText(port).c_str());
}

} // namespace

absl::Status describe(const RunOptions &options) {
  LAMINA_ASSIGN_OR_RETURN(ArtifactReader artifact, openModel(options));
  if (options.json) {
    std::printf("%s\n", dumpLine(descriptionJson(artifact)).c_str());
    return absl::OkStatus();
  }
  if (isFunction(artifact.plan()))
    printFunction(artifact);
  else
    printModel(artifact);
  printCut(artifact.plan());
  printWorkers(artifact.plan());
  printTransfers(artifact.plan());
  printLimits(artifact);
  return absl::OkStatus();
}

} // namespace lamina::run
