//===- Model.cpp - an ONNX model in memory ---------------------------------------------------------===//

#include "lib/Import/ONNX/Model.h"

#include "runtime/base/StrCat.h"

#include <algorithm>
#include <array>

namespace lamina::onnx {
namespace {

struct ElementTypeInfo {
  std::string_view name;
  unsigned bits;
};

/// By number.
constexpr std::array<ElementTypeInfo, kNumElementTypes> kElementTypes = {{
    {"undefined", 0},      {"float", 32},    {"uint8", 8},        {"int8", 8},           {"uint16", 16},
    {"int16", 16},         {"int32", 32},    {"int64", 64},       {"string", 0},         {"bool", 8},
    {"float16", 16},       {"double", 64},   {"uint32", 32},      {"uint64", 64},        {"complex64", 64},
    {"complex128", 128},   {"bfloat16", 16}, {"float8e4m3fn", 8}, {"float8e4m3fnuz", 8}, {"float8e5m2", 8},
    {"float8e5m2fnuz", 8}, {"uint4", 4},     {"int4", 4},         {"float4e2m1", 4},     {"float8e8m0", 8},
    {"uint2", 2},          {"int2", 2},      {"float6e2m3", 6},   {"float6e3m2", 6},
}};

const ElementTypeInfo &info(ElementType type) { return kElementTypes[static_cast<size_t>(type)]; }

constexpr uint64_t kMax = INT64_MAX;

} // namespace

std::string_view elementTypeName(ElementType type) { return info(type).name; }

unsigned elementBits(ElementType type) { return info(type).bits; }

std::optional<uint64_t> countElements(std::span<const int64_t> dims) {
  // The other dimensions of an empty tensor are checked all the same, so that shape arithmetic cannot
  // overflow.
  uint64_t product = 1;
  bool empty = false;
  for (int64_t dim : dims) {
    if (dim < 0)
      return std::nullopt;
    if (dim == 0) {
      empty = true;
      continue;
    }
    if (static_cast<uint64_t>(dim) > kMax / product)
      return std::nullopt;
    product *= static_cast<uint64_t>(dim);
  }
  return empty ? 0 : product;
}

std::optional<uint64_t> tensorBytes(ElementType type, uint64_t elements) {
  uint64_t bits = elementBits(type);
  if (elements > (kMax - 7) / std::max<uint64_t>(bits, 1))
    return std::nullopt;
  return (elements * bits + 7) / 8;
}

const Attribute *Node::find(std::string_view attribute) const {
  auto found = std::find_if(attributes.begin(), attributes.end(),
                            [&](const Attribute &each) { return each.name == attribute; });
  return found == attributes.end() ? nullptr : &*found;
}

std::string Node::describe() const {
  std::string operation = quoteName(domain.empty() ? op : strCat(domain, ".", op));
  return strCat("node ", name.empty() ? strCat("number ", number) : quoteName(name), " (", operation, ")");
}

absl::StatusOr<std::span<const uint8_t>> Model::bytes(const TensorConstant &tensor) const {
  if (const auto *place = std::get_if<TensorPlace>(&tensor.data)) {
    const ModelFile &file = files[place->file];
    if (file.missing)
      return absl::NotFoundError(strCat(file.path, ": the file is missing, but tensor ",
                                        quoteName(tensor.name),
                                        " lies in it; put the file next to the model"));
    return file.bytes.subspan(place->offset, place->bytes);
  }
  if (const auto *bytes = std::get_if<std::string>(&tensor.data))
    return std::span(reinterpret_cast<const uint8_t *>(bytes->data()), bytes->size());
  return absl::InvalidArgumentError(
      strCat(path(), ": tensor ", quoteName(tensor.name), " holds strings, expected numbers"));
}

} // namespace lamina::onnx
