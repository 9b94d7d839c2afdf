//===- GGUFTensors.cpp - the descriptions of a GGUF file's tensors ------------------------------------===//

#include "runtime/io/GGUFTensors.h"

namespace lamina {

absl::Status GGUFTensors::parse(uint64_t count) {
  // The number was checked against the bytes behind the header; pairs have taken some of these since.
  if (count > left() / gguf::kMinTensorBytes)
    return error(position_, "the header promises ", count, " tensors, but the ", left(),
                 " bytes left describe at most ", left() / gguf::kMinTensorBytes, "; ", kIncomplete);
  absl::flat_hash_map<std::string_view, uint32_t> names;
  names.reserve(count);
  part_.tensors.reserve(count);
  for (uint64_t i = 0; i < count; ++i) {
    uint64_t start = position_;
    GGUFTensor tensor;
    tensor.part = partNumber_;
    LAMINA_RETURN_IF_ERROR(readTensor(tensor));
    auto [entry, inserted] = names.try_emplace(tensor.name, static_cast<uint32_t>(i));
    if (!inserted)
      return error(start, "tensor ", quoteName(tensor.name), " occurs twice, as number ", entry->second,
                   " and ", i, "; ", kDamaged);
    part_.tensors.push_back(tensor);
  }
  return absl::OkStatus();
}

absl::Status GGUFTensors::readTensor(GGUFTensor &tensor) {
  uint64_t start = position_;
  size_t number = part_.tensors.size();
  LAMINA_RETURN_IF_ERROR(readString(tensor.name, strCat("the name of tensor number ", number)));
  std::string what = strCat("tensor ", quoteName(tensor.name));
  if (tensor.name.size() >= gguf::kMaxTensorName)
    return error(start, what, ": the name is ", tensor.name.size(), " bytes long, expected at most ",
                 gguf::kMaxTensorName - 1, "; ", kDamaged);
  // C readers would see the name end there, so two readers could take different tensors for this one.
  if (tensor.name.find('\0') != std::string_view::npos)
    return error(start, what, ": the name contains a NUL byte; ", kDamaged);
  LAMINA_RETURN_IF_ERROR(readDims(tensor, what));
  LAMINA_RETURN_IF_ERROR(readType(tensor, what));
  return placeTensor(tensor, what);
}

absl::Status GGUFTensors::readDims(GGUFTensor &tensor, std::string_view what) {
  uint64_t start = position_;
  LAMINA_RETURN_IF_ERROR(read(tensor.rank, strCat("the number of dimensions of ", what)));
  if (tensor.rank > gguf::kMaxDims)
    return error(start, what, ": ", tensor.rank, " dimensions, expected at most ", gguf::kMaxDims, "; ",
                 kDamaged);
  tensor.dims = {1, 1, 1, 1};
  uint64_t elements = 1;
  for (uint32_t i = 0; i < tensor.rank; ++i) {
    start = position_;
    int64_t dim = 0;
    LAMINA_RETURN_IF_ERROR(read(dim, strCat("dimension ", i, " of ", what)));
    if (dim <= 0)
      return error(start, what, ": dimension ", i, " is ", dim, ", expected at least 1; ", kDamaged);
    if (static_cast<uint64_t>(dim) >= static_cast<uint64_t>(INT64_MAX) / elements)
      return error(start, what, ": the number of elements does not fit 63 bits; ", kDamaged);
    elements *= static_cast<uint64_t>(dim);
    tensor.dims[i] = static_cast<uint64_t>(dim);
  }
  return absl::OkStatus();
}

absl::Status GGUFTensors::readType(GGUFTensor &tensor, std::string_view what) {
  uint64_t start = position_;
  uint32_t id = 0;
  LAMINA_RETURN_IF_ERROR(read(id, strCat("the type of ", what)));
  if (std::string_view removed = removedTensorTypeName(id); !removed.empty())
    return error(start, what, ": type ", id, " (", removed,
                 ") was removed from GGUF; quantise the model again with a current llama.cpp");
  const BlockFormat *format = findBlockFormat(id);
  // ik_llama.cpp gives out its ids from 97 (repacked types from 200); no other writer does.
  if (!format && id >= 97 && id < 400)
    return error(start, what, ": type ", id,
                 " is one that only ik_llama.cpp writes; quantise the model to one of llama.cpp's types");
  if (!format)
    return error(start, what, ": type ", id, " is unknown, expected 0 to 42; ",
                 id < 97 ? "a newer lamina may read it, or quantise the model to another type" : kDamaged);
  tensor.type = format->type;
  if (tensor.dims[0] % format->elements != 0)
    return error(start, what, ": rows of ", tensor.dims[0], " elements are no multiple of the ",
                 format->elements, " in a block of ", format->name, "; ", kDamaged);
  // blocks * bytes < 2^63 * bytes / elements; only types of more than one byte per element can overflow.
  uint64_t blocks = tensor.elements() / format->elements;
  if (blocks > static_cast<uint64_t>(INT64_MAX) / format->bytes)
    return error(start, what, ": the size in bytes does not fit 63 bits; ", kDamaged);
  tensor.bytes = blocks * format->bytes;
  return absl::OkStatus();
}

absl::Status GGUFTensors::placeTensor(GGUFTensor &tensor, std::string_view what) {
  uint64_t start = position_;
  LAMINA_RETURN_IF_ERROR(read(tensor.offset, strCat("the offset of ", what)));
  if (tensor.offset != dataSize_)
    return error(start, what, ": expected offset ", dataSize_, " (tensors follow each other, aligned to ",
                 part_.alignment, " bytes), got ", tensor.offset, "; ", kDamaged);
  // Half of what 63 bits hold, so that neither this sum nor the padding and the header added to it overflow.
  constexpr uint64_t limit = 1ull << 62;
  if (tensor.bytes > limit || dataSize_ > limit - tensor.bytes)
    return error(start, what, ": the tensors together take more than 2^62 bytes; ", kDamaged);
  dataSize_ = gguf::alignUp(dataSize_ + tensor.bytes, part_.alignment);
  return absl::OkStatus();
}

} // namespace lamina
