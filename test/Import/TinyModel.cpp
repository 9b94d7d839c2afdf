//===- TinyModel.cpp - GGUF models of a few bytes for tests -------------------------------------------===//

#include "test/Import/TinyModel.h"

#include "mlir/IR/Diagnostics.h"
#include "mlir/IR/Verifier.h"
#include "llvm/Support/raw_ostream.h"

#include <gtest/gtest.h>

using namespace mlir;

namespace lamina::testing {
namespace {

void addPair(GGUFWriter &writer, const std::string &key, const Value &value) {
  if (auto *number = std::get_if<uint32_t>(&value))
    writer.addU32(key, *number);
  else if (auto *number = std::get_if<float>(&value))
    writer.addF32(key, *number);
  else if (auto *flag = std::get_if<bool>(&value))
    writer.addBool(key, *flag);
  else if (auto *text = std::get_if<std::string>(&value))
    writer.addString(key, *text);
  else
    writer.addInt32s(key, std::get<std::vector<int32_t>>(value));
}

std::string write(const TinyModel &model) {
  GGUFWriter writer;
  writer.addString("general.architecture", model.architecture);
  for (const auto &[key, value] : model.keys) {
    bool full = key.starts_with("general.") || key.starts_with("tokenizer.");
    addPair(writer, full ? key : model.architecture + "." + key, value);
  }
  for (const auto &[name, tensor] : model.tensors) {
    uint64_t elements = 1;
    for (uint64_t dim : tensor.dims)
      elements *= dim;
    std::vector<uint8_t> data(findBlockFormat(tensor.type)->bytesOf(elements));
    std::memcpy(data.data(), tensor.values.data(), tensor.values.size() * sizeof(float));
    writer.addTensor(name, tensor.type, tensor.dims, data);
  }
  return writer.finish();
}

bool hasLayerNorm(const std::string &arch) {
  return arch == "gpt2" || arch == "starcoder2" || arch == "phi2";
}

void addLayer(TinyModel &m, const std::string &p, bool dense) {
  const std::string &arch = m.architecture;
  bool gemma = arch.starts_with("gemma"), layerNorm = hasLayerNorm(arch);
  m.tensors[p + "attn_norm.weight"] = {{32}};
  if (arch == "phi3" || arch == "gpt2") {
    m.tensors[p + "attn_qkv.weight"] = {{32, 64}};
  } else {
    m.tensors[p + "attn_q.weight"] = {{32, 32}, TensorType::Q8_0};
    m.tensors[p + "attn_k.weight"] = {{32, 16}, TensorType::F16};
    m.tensors[p + "attn_v.weight"] = {{32, 16}, TensorType::F16};
  }
  if (arch == "qwen2")
    for (const char *name : {"attn_q.bias", "attn_k.bias", "attn_v.bias"})
      m.tensors[p + name] = {{name[5] == 'q' ? 32u : 16u}};
  if (arch.starts_with("qwen3") || arch == "gemma3") {
    m.tensors[p + "attn_q_norm.weight"] = {{16}};
    m.tensors[p + "attn_k_norm.weight"] = {{16}};
  }
  m.tensors[p + "attn_output.weight"] = {{32, 32}};
  if (arch != "phi2")
    m.tensors[p + "ffn_norm.weight"] = {{32}};
  if (layerNorm)
    m.tensors[p + "attn_norm.bias"] = {{32}};
  if (layerNorm && arch != "phi2")
    m.tensors[p + "ffn_norm.bias"] = {{32}};
  if (gemma) {
    m.tensors[p + "post_attention_norm.weight"] = {{32}};
    m.tensors[p + "post_ffw_norm.weight"] = {{32}};
  }
  if (!dense)
    return;
  if (arch != "phi3" && !layerNorm)
    m.tensors[p + "ffn_gate.weight"] = {{32, 64}};
  m.tensors[p + "ffn_up.weight"] = {{32, arch == "phi3" ? 128u : 64u}};
  m.tensors[p + "ffn_down.weight"] = {{64, 32}};
}

TinyModel skeleton(const std::string &architecture, int layers, bool dense) {
  TinyModel m{.architecture = architecture, .keys = {}, .tensors = {}};
  m.keys["general.name"] = std::string("tiny");
  m.keys["block_count"] = uint32_t(layers);
  m.keys["context_length"] = 128u;
  m.keys["embedding_length"] = 32u;
  m.keys["feed_forward_length"] = 64u;
  m.keys["attention.head_count"] = 2u;
  m.keys["attention.head_count_kv"] = 1u;
  m.keys[hasLayerNorm(architecture) ? "attention.layer_norm_epsilon" : "attention.layer_norm_rms_epsilon"] =
      1e-5f;
  if (architecture.starts_with("gemma"))
    m.keys["attention.sliding_window"] = 16u;
  m.tensors["token_embd.weight"] = {{32, 40}};
  m.tensors["output_norm.weight"] = {{32}};
  if (hasLayerNorm(architecture))
    m.tensors["output_norm.bias"] = {{32}};
  if (architecture == "gpt2")
    m.tensors["position_embd.weight"] = {{32, 128}};
  for (int i = 0; i < layers; ++i)
    addLayer(m, "blk." + std::to_string(i) + ".", dense);
  return m;
}

} // namespace

TinyModel tinyModel(const std::string &architecture, int layers) {
  return skeleton(architecture, layers, true);
}

TinyModel tinyExpertModel(const std::string &architecture, int layers) {
  TinyModel m = skeleton(architecture, layers, false);
  m.keys["expert_count"] = 4u;
  m.keys["expert_used_count"] = 2u;
  m.keys["feed_forward_length"] = 32u;
  for (int i = 0; i < layers; ++i) {
    std::string p = "blk." + std::to_string(i) + ".ffn_";
    m.tensors[p + "gate_inp.weight"] = {{32, 4}};
    for (const char *name : {"gate_exps.weight", "up_exps.weight", "down_exps.weight"})
      m.tensors[p + name] = {{32, 32, 4}, TensorType::Q4_0};
  }
  return m;
}

MLIRContext &sharedContext() {
  static MLIRContext context(MLIRContext::Threading::DISABLED);
  return context;
}

Imported collect(MLIRContext &context, llvm::function_ref<FailureOr<OwningOpRef<ModuleOp>>()> import) {
  Imported result;
  ScopedDiagnosticHandler handler(&context, [&](Diagnostic &diagnostic) {
    std::string line;
    llvm::raw_string_ostream(line) << diagnostic.getLocation() << ": " << diagnostic;
    result.errors.push_back(line);
  });
  FailureOr<OwningOpRef<ModuleOp>> module = import();
  if (failed(module))
    return result;
  EXPECT_TRUE(succeeded(verify(**module)));
  result.module = std::move(*module);
  llvm::raw_string_ostream out(result.text);
  result.module->print(out);
  return result;
}

Imported TinyModel::import(const ImportOptions &options) const {
  std::string bytes = write(*this);
  auto file =
      GGUFReader::fromMemory({reinterpret_cast<const uint8_t *>(bytes.data()), bytes.size()}, "tiny.gguf");
  if (!file.ok()) {
    ADD_FAILURE() << "the test's model is no GGUF file: " << file.status();
    return {};
  }
  return collect(sharedContext(), [&] { return importGGUF(sharedContext(), *file, options); });
}

int count(const std::string &text, const std::string &needle) {
  int found = 0;
  for (size_t at = text.find(needle); at != std::string::npos; at = text.find(needle, at + needle.size()))
    ++found;
  return found;
}

} // namespace lamina::testing
