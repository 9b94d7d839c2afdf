//===- GGUFReaderFuzzer.cpp: any bytes as a model file ------------------------------------------------===//

#include "runtime/io/GGUFWriter.h"

#include <cstdlib>
#include <vector>

namespace {

using namespace lamina;

volatile uint64_t sink;

void touchPairs(const GGUFReader &file) {
  uint64_t sum = 0;
  for (const GGUFPair &pair : file.pairs()) {
    sum += file.getString(pair.key).value_or("").size();
    sum += file.getBool(pair.key).value_or(false);
    sum += file.getUnsigned(pair.key).value_or(0);
    sum += static_cast<uint64_t>(file.getSigned(pair.key).value_or(0));
    sum += file.getFloat(pair.key).ok();
    if (absl::StatusOr<std::vector<std::string_view>> strings = file.getStrings(pair.key); strings.ok())
      for (std::string_view text : *strings)
        for (char c : text)
          sum += static_cast<unsigned char>(c);
    if (absl::StatusOr<GGUFArray<float>> floats = file.getFloats(pair.key); floats.ok())
      for (size_t i = 0; i < floats->size(); ++i)
        sum += (*floats)[i] > 0;
    if (absl::StatusOr<GGUFArray<int32_t>> ints = file.getInt32s(pair.key); ints.ok())
      for (size_t i = 0; i < ints->size(); ++i)
        sum += static_cast<uint32_t>((*ints)[i]);
    if (absl::StatusOr<std::vector<int64_t>> integers = file.getIntegers(pair.key); integers.ok())
      sum += integers->size();
    sum += pair.typeName().size();
  }
  sink = sum;
}

void touchTensors(const GGUFReader &file) {
  for (const GGUFTensor &tensor : file.tensors()) {
    if (file.findTensor(tensor.name) != &tensor)
      std::abort();
    sink = tensor.shapeText().size();
    absl::StatusOr<std::span<const uint8_t>> data = file.data(tensor);
    if (!data.ok())
      continue;
    std::vector<float> values(tensor.elements());
    dequantizeRow(tensor.format(), data->data(), values.size(), values.data());
  }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  for (bool allowMissingData : {false, true}) {
    absl::StatusOr<GGUFReader> file =
        GGUFReader::fromMemory({bytes, size}, "fuzz", {.allowMissingData = allowMissingData});
    if (!file.ok())
      continue;
    touchPairs(*file);
    touchTensors(*file);
    // What was read can be written, and read again.
    std::string copy = copyVocabulary(*file);
    if (!GGUFReader::fromMemory({reinterpret_cast<const uint8_t *>(copy.data()), copy.size()}, "copy").ok())
      std::abort();
  }
  return 0;
}
