//===- AttributeReader.cpp - AttributeProto to Attribute -------------------------------------------===//

#include "lib/Import/ONNX/AttributeReader.h"

#include "lib/Import/ONNX/TensorReader.h"
#include "lib/Import/ONNX/TypeReader.h"
#include "lib/Import/ONNX/onnx.pb.h"

namespace lamina::onnx {
namespace {

using Proto = ::onnx::AttributeProto;

/// The field that values of a kind are in; 0 for kinds that are refused.
uint32_t valueField(int64_t kind) {
  switch (kind) {
  case Proto::FLOAT:
    return Proto::kFFieldNumber;
  case Proto::INT:
    return Proto::kIFieldNumber;
  case Proto::STRING:
    return Proto::kSFieldNumber;
  case Proto::TENSOR:
    return Proto::kTFieldNumber;
  case Proto::GRAPH:
    return Proto::kGFieldNumber;
  case Proto::FLOATS:
    return Proto::kFloatsFieldNumber;
  case Proto::INTS:
    return Proto::kIntsFieldNumber;
  case Proto::STRINGS:
    return Proto::kStringsFieldNumber;
  case Proto::GRAPHS:
    return Proto::kGraphsFieldNumber;
  case Proto::TYPE_PROTO:
    return Proto::kTpFieldNumber;
  default:
    return 0;
  }
}

class AttributeReader {
public:
  AttributeReader(WireMessage message, const AttributeContext &context)
      : message_(message), context_(context) {}
  absl::StatusOr<Attribute> read();

private:
  template <typename... Args> absl::Status error(const Args &...text) const {
    return message_.error(message_.offset(), "attribute ", quoteName(attribute_.name), ": ", text...);
  }
  absl::Status readHeader();
  absl::Status readReference();
  absl::Status start();
  absl::Status readValue(const WireField &field);
  absl::StatusOr<std::unique_ptr<Graph>> readGraph(const WireField &field);
  template <typename T> absl::Status readScalar(const WireField &field) {
    return message_.get(field, "a value of AttributeProto", attribute_.value.emplace<T>());
  }
  template <typename T> absl::Status readList(const WireField &field) {
    return message_.append(field, "a list of AttributeProto", std::get<std::vector<T>>(attribute_.value));
  }

  WireMessage message_;
  const AttributeContext &context_;
  Attribute attribute_;
  uint32_t used_ = 0; ///< number of the field with the value; 0: none
};

/// Everything but the value, which is read by the kind.
absl::Status AttributeReader::readHeader() {
  int64_t kind = 0;
  while (!message_.done()) {
    WireField field;
    LAMINA_RETURN_IF_ERROR(message_.next(field));
    switch (field.number) {
    case Proto::kNameFieldNumber:
      LAMINA_RETURN_IF_ERROR(message_.get(field, "AttributeProto.name", attribute_.name));
      break;
    case Proto::kTypeFieldNumber:
      LAMINA_RETURN_IF_ERROR(message_.get(field, "AttributeProto.type", kind));
      break;
    case Proto::kRefAttrNameFieldNumber:
      LAMINA_RETURN_IF_ERROR(message_.get(field, "AttributeProto.ref_attr_name", attribute_.reference));
      break;
    case Proto::kDocStringFieldNumber:
      break;
    default:
      if (field.number > Proto::kSparseTensorsFieldNumber)
        break;
      if (used_ != 0 && used_ != field.number)
        return error("it has values in fields ", used_, " and ", field.number, ", expected one; ", kDamaged);
      used_ = field.number;
    }
  }
  if (attribute_.name.empty())
    return error("it has no name; ", kDamaged);
  attribute_.kind = static_cast<AttributeKind>(kind);
  if (kind == Proto::UNDEFINED)
    return error("it does not say its kind; export the model with a newer version of ONNX");
  if (valueField(kind) == 0)
    return error("kind ", kind,
                 " is one that lamina does not read (sparse tensors, lists of tensors or types); ",
                 "export the model without it");
  if (used_ != 0 && used_ != valueField(kind))
    return error("its kind is ", kind, " but its value is in field ", used_, "; ", kDamaged);
  return absl::OkStatus();
}

absl::Status AttributeReader::readReference() {
  if (!context_.inFunction)
    return error("it refers to ", quoteName(attribute_.reference), " of a function, but is in no function; ",
                 kDamaged);
  if (used_ != 0)
    return error("it has a value and refers to ", quoteName(attribute_.reference), " as well; ", kDamaged);
  return absl::OkStatus();
}

absl::StatusOr<std::unique_ptr<Graph>> AttributeReader::readGraph(const WireField &field) {
  LAMINA_ASSIGN_OR_RETURN(WireMessage content, message_.message(field, "AttributeProto.g"));
  LAMINA_ASSIGN_OR_RETURN(Graph graph, context_.readSubgraph(content));
  return std::make_unique<Graph>(std::move(graph));
}

absl::Status AttributeReader::readValue(const WireField &field) {
  switch (attribute_.kind) {
  case AttributeKind::Float:
    return readScalar<float>(field);
  case AttributeKind::Int:
    return readScalar<int64_t>(field);
  case AttributeKind::String:
    return readScalar<std::string>(field);
  case AttributeKind::Floats:
    return readList<float>(field);
  case AttributeKind::Ints:
    return readList<int64_t>(field);
  case AttributeKind::Strings:
    return message_.get(field, "AttributeProto.strings",
                        std::get<std::vector<std::string>>(attribute_.value).emplace_back());
  case AttributeKind::Tensor: {
    LAMINA_ASSIGN_OR_RETURN(WireMessage content, message_.message(field, "AttributeProto.t"));
    LAMINA_ASSIGN_OR_RETURN(attribute_.value, readTensor(content, &context_.external));
    return absl::OkStatus();
  }
  case AttributeKind::Graph: {
    LAMINA_ASSIGN_OR_RETURN(attribute_.value, readGraph(field));
    return absl::OkStatus();
  }
  case AttributeKind::Graphs: {
    LAMINA_ASSIGN_OR_RETURN(std::get<std::vector<std::unique_ptr<Graph>>>(attribute_.value).emplace_back(),
                            readGraph(field));
    return absl::OkStatus();
  }
  case AttributeKind::Type: {
    LAMINA_ASSIGN_OR_RETURN(WireMessage content, message_.message(field, "AttributeProto.tp"));
    LAMINA_ASSIGN_OR_RETURN(attribute_.value, readType(content));
    return absl::OkStatus();
  }
  }
  return absl::OkStatus();
}

/// The value that no field means: writers of proto3 leave zeros out, and lists may be empty.
absl::Status AttributeReader::start() {
  switch (attribute_.kind) {
  case AttributeKind::Float:
    attribute_.value = 0.0f;
    break;
  case AttributeKind::Int:
    attribute_.value = int64_t(0);
    break;
  case AttributeKind::String:
    attribute_.value = std::string();
    break;
  case AttributeKind::Floats:
    attribute_.value = std::vector<float>();
    break;
  case AttributeKind::Ints:
    attribute_.value = std::vector<int64_t>();
    break;
  case AttributeKind::Strings:
    attribute_.value = std::vector<std::string>();
    break;
  case AttributeKind::Graphs:
    attribute_.value = std::vector<std::unique_ptr<Graph>>();
    break;
  case AttributeKind::Tensor:
  case AttributeKind::Graph:
  case AttributeKind::Type:
    if (used_ == 0)
      return error("it has no value; ", kDamaged);
  }
  return absl::OkStatus();
}

absl::StatusOr<Attribute> AttributeReader::read() {
  LAMINA_RETURN_IF_ERROR(readHeader());
  if (!attribute_.reference.empty()) {
    LAMINA_RETURN_IF_ERROR(readReference());
    return std::move(attribute_);
  }
  LAMINA_RETURN_IF_ERROR(start());
  message_.rewind();
  while (!message_.done()) {
    WireField field;
    LAMINA_RETURN_IF_ERROR(message_.next(field));
    if (field.number == used_)
      LAMINA_RETURN_IF_ERROR(readValue(field));
  }
  return std::move(attribute_);
}

} // namespace

absl::StatusOr<Attribute> readAttribute(WireMessage message, const AttributeContext &context) {
  return AttributeReader(message, context).read();
}

} // namespace lamina::onnx
