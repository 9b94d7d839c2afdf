//===- TypeReader.cpp - TypeProto and ValueInfoProto -----------------------------------------------===//

#include "lib/Import/ONNX/TypeReader.h"

#include "lib/Import/ONNX/TensorReader.h"
#include "lib/Import/ONNX/onnx.pb.h"

namespace lamina::onnx {
namespace {

using Proto = ::onnx::TypeProto;
using ShapeProto = ::onnx::TensorShapeProto;
using DimProto = ::onnx::TensorShapeProto_Dimension;

absl::StatusOr<Dimension> readDimension(WireMessage message) {
  Dimension dimension;
  while (!message.done()) {
    WireField field;
    LAMINA_RETURN_IF_ERROR(message.next(field));
    // The two are alternatives, the last one counts.
    if (field.number == DimProto::kDimValueFieldNumber) {
      dimension = {};
      LAMINA_RETURN_IF_ERROR(message.get(field, "Dimension.dim_value", dimension.size));
    } else if (field.number == DimProto::kDimParamFieldNumber) {
      dimension = {};
      LAMINA_RETURN_IF_ERROR(message.get(field, "Dimension.dim_param", dimension.symbol));
    }
  }
  // Some exporters write -1 for an unknown size.
  if (dimension.size < -1)
    return message.error(message.offset(), "a declared dimension is ", dimension.size,
                         ", expected 0 or more; ", kDamaged);
  return dimension;
}

absl::StatusOr<std::vector<Dimension>> readShape(WireMessage message) {
  std::vector<Dimension> shape;
  while (!message.done()) {
    WireField field;
    LAMINA_RETURN_IF_ERROR(message.next(field));
    if (field.number != ShapeProto::kDimFieldNumber)
      continue;
    LAMINA_ASSIGN_OR_RETURN(WireMessage dimension, message.message(field, "TensorShapeProto.dim"));
    LAMINA_ASSIGN_OR_RETURN(shape.emplace_back(), readDimension(dimension));
  }
  return shape;
}

/// TypeProto.Tensor, whose fields TypeProto.SparseTensor has as well.
absl::Status readTensorType(WireMessage message, Type &type) {
  while (!message.done()) {
    WireField field;
    LAMINA_RETURN_IF_ERROR(message.next(field));
    if (field.number == Proto::Tensor::kElemTypeFieldNumber) {
      int64_t number = 0;
      LAMINA_RETURN_IF_ERROR(message.get(field, "Tensor.elem_type", number));
      LAMINA_ASSIGN_OR_RETURN(type.element, checkElementType(number, message, "a declared type"));
    } else if (field.number == Proto::Tensor::kShapeFieldNumber) {
      LAMINA_ASSIGN_OR_RETURN(WireMessage shape, message.message(field, "Tensor.shape"));
      LAMINA_ASSIGN_OR_RETURN(type.shape, readShape(shape));
    }
  }
  return absl::OkStatus();
}

Type::Kind kindOf(uint32_t field) {
  switch (field) {
  case Proto::kTensorTypeFieldNumber:
    return Type::Kind::Tensor;
  case Proto::kSequenceTypeFieldNumber:
    return Type::Kind::Sequence;
  case Proto::kMapTypeFieldNumber:
    return Type::Kind::Map;
  case Proto::kOptionalTypeFieldNumber:
    return Type::Kind::Optional;
  case Proto::kSparseTensorTypeFieldNumber:
    return Type::Kind::SparseTensor;
  case Proto::kOpaqueTypeFieldNumber:
    return Type::Kind::Opaque;
  default:
    return Type::Kind::Unknown;
  }
}

} // namespace

absl::StatusOr<Type> readType(WireMessage message) {
  Type type;
  while (!message.done()) {
    WireField field;
    LAMINA_RETURN_IF_ERROR(message.next(field));
    Type::Kind kind = kindOf(field.number);
    if (kind == Type::Kind::Unknown)
      continue;
    type = {.kind = kind};
    LAMINA_ASSIGN_OR_RETURN(WireMessage content, message.message(field, "TypeProto.value"));
    if (kind == Type::Kind::Tensor || kind == Type::Kind::SparseTensor)
      LAMINA_RETURN_IF_ERROR(readTensorType(content, type));
  }
  return type;
}

absl::StatusOr<DeclaredValue> readValueInfo(WireMessage message) {
  DeclaredValue value;
  while (!message.done()) {
    WireField field;
    LAMINA_RETURN_IF_ERROR(message.next(field));
    if (field.number == ::onnx::ValueInfoProto::kNameFieldNumber) {
      LAMINA_RETURN_IF_ERROR(message.get(field, "ValueInfoProto.name", value.name));
    } else if (field.number == ::onnx::ValueInfoProto::kTypeFieldNumber) {
      LAMINA_ASSIGN_OR_RETURN(WireMessage content, message.message(field, "ValueInfoProto.type"));
      absl::StatusOr<Type> type = readType(content);
      if (!type.ok())
        return message.within(strCat("value ", quoteName(value.name)), type.status());
      value.type = *std::move(type);
    }
  }
  return value;
}

} // namespace lamina::onnx
