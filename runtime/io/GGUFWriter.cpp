//===- GGUFWriter.cpp - writes small GGUF files -------------------------------------------------------===//

#include "runtime/io/GGUFWriter.h"

namespace lamina {
namespace {

using gguf::ValueType;

void appendBytes(std::string &out, const void *bytes, size_t size) {
  out.append(static_cast<const char *>(bytes), size);
}

template <typename T> void append(std::string &out, T value) { appendBytes(out, &value, sizeof(value)); }

void appendString(std::string &out, std::string_view text) {
  append<uint64_t>(out, text.size());
  out += text;
}

void pad(std::string &out) { out.resize(gguf::alignUp(out.size(), gguf::kDefaultAlignment), '\0'); }

} // namespace

void GGUFWriter::beginPair(std::string_view key, ValueType type) {
  appendString(pairs_, key);
  append(pairs_, static_cast<uint32_t>(type));
  ++numPairs_;
}

void GGUFWriter::beginArray(std::string_view key, ValueType elementType, uint64_t count) {
  beginPair(key, ValueType::Array);
  append(pairs_, static_cast<uint32_t>(elementType));
  append(pairs_, count);
}

void GGUFWriter::addPair(const GGUFPair &pair) {
  if (pair.isArray())
    beginArray(pair.key, pair.elementType, pair.count);
  else
    beginPair(pair.key, pair.type);
  if (pair.type == ValueType::String)
    append<uint64_t>(pairs_, pair.bytes.size());
  appendBytes(pairs_, pair.bytes.data(), pair.bytes.size());
}

void GGUFWriter::addBool(std::string_view key, bool value) {
  beginPair(key, ValueType::Bool);
  append<uint8_t>(pairs_, value);
}

void GGUFWriter::addU32(std::string_view key, uint32_t value) {
  beginPair(key, ValueType::U32);
  append(pairs_, value);
}

void GGUFWriter::addF32(std::string_view key, float value) {
  beginPair(key, ValueType::F32);
  append(pairs_, value);
}

void GGUFWriter::addString(std::string_view key, std::string_view value) {
  beginPair(key, ValueType::String);
  appendString(pairs_, value);
}

void GGUFWriter::addStrings(std::string_view key, std::span<const std::string_view> values) {
  beginArray(key, ValueType::String, values.size());
  for (std::string_view value : values)
    appendString(pairs_, value);
}

void GGUFWriter::addInt32s(std::string_view key, std::span<const int32_t> values) {
  beginArray(key, ValueType::I32, values.size());
  appendBytes(pairs_, values.data(), values.size_bytes());
}

void GGUFWriter::addFloats(std::string_view key, std::span<const float> values) {
  beginArray(key, ValueType::F32, values.size());
  appendBytes(pairs_, values.data(), values.size_bytes());
}

void GGUFWriter::addTensor(std::string_view name, TensorType type, std::span<const uint64_t> dims,
                           std::span<const uint8_t> data) {
  appendString(infos_, name);
  append(infos_, static_cast<uint32_t>(dims.size()));
  for (uint64_t dim : dims)
    append(infos_, dim);
  append(infos_, static_cast<uint32_t>(type));
  append<uint64_t>(infos_, data_.size());
  appendBytes(data_, data.data(), data.size());
  pad(data_);
  ++numTensors_;
}

std::string GGUFWriter::finish() const {
  std::string file(gguf::kMagic);
  append(file, gguf::kVersion);
  append(file, numTensors_);
  append(file, numPairs_);
  file += pairs_;
  file += infos_;
  pad(file);
  return file + data_;
}

std::string copyVocabulary(const GGUFReader &model) {
  GGUFWriter writer;
  for (const GGUFPair &pair : model.pairs())
    if (pair.key.starts_with("tokenizer.") ||
        (pair.key.starts_with("general.") && pair.key != gguf::kAlignmentKey))
      writer.addPair(pair);
  return writer.finish();
}

} // namespace lamina
