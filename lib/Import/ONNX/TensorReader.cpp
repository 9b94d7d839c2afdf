//===- TensorReader.cpp - TensorProto to TensorConstant --------------------------------------------===//
//
// A tensor's bytes lie in raw_data, in a list whose type depends on the element type, or in another file.
// raw_data and packed lists of floats are what they are in memory, so their place is recorded; numbers of
// variable length are decoded. Fields come in any order, so one walk finds out what there is, and a second
// one reads the data.
//
//===-----------------------------------------------------------------------------------------------------------===//

#include "lib/Import/ONNX/TensorReader.h"

#include "lib/Import/ONNX/onnx.pb.h"

namespace lamina::onnx {
namespace {

using Proto = ::onnx::TensorProto;
static_assert(kNumElementTypes == Proto::DataType_ARRAYSIZE);

/// The list that elements of a type are in, where they are not in raw_data.
uint32_t listField(ElementType type) {
  switch (type) {
  case ElementType::Float:
  case ElementType::Complex64:
    return Proto::kFloatDataFieldNumber;
  case ElementType::Double:
  case ElementType::Complex128:
    return Proto::kDoubleDataFieldNumber;
  case ElementType::Int64:
    return Proto::kInt64DataFieldNumber;
  case ElementType::UInt32:
  case ElementType::UInt64:
    return Proto::kUint64DataFieldNumber;
  case ElementType::String:
    return Proto::kStringDataFieldNumber;
  default:
    return Proto::kInt32DataFieldNumber;
  }
}

class TensorReader {
public:
  TensorReader(WireMessage message, ExternalData *external) : message_(message), external_(external) {}
  absl::StatusOr<TensorConstant> read();

private:
  template <typename... Args> absl::Status error(const Args &...text) const {
    return message_.error(message_.offset(), "tensor ", quoteName(tensor_.name), ": ", text...);
  }
  absl::Status readField(const WireField &field);
  absl::Status readExternalEntry(const WireField &field);
  absl::Status noteData(const WireField &field);
  absl::Status readSize();
  absl::Status readExternal();
  absl::Status readData();
  absl::Status readStrings();
  absl::Status readFixed();
  absl::Status readVarints();

  WireMessage message_;
  ExternalData *external_;
  TensorConstant tensor_;
  int64_t typeNumber_ = 0;
  int64_t location_ = 0;
  ExternalReference reference_;
  uint32_t dataField_ = 0; ///< number of the one field with data; 0: none
  uint64_t elements_ = 0;
  uint64_t bytes_ = 0;
};

absl::Status TensorReader::readExternalEntry(const WireField &field) {
  LAMINA_ASSIGN_OR_RETURN(WireMessage entry, message_.message(field, "TensorProto.external_data"));
  std::string_view key, value;
  while (!entry.done()) {
    WireField part;
    LAMINA_RETURN_IF_ERROR(entry.next(part));
    if (part.number == ::onnx::StringStringEntryProto::kKeyFieldNumber)
      LAMINA_RETURN_IF_ERROR(entry.get(part, "StringStringEntryProto.key", key));
    if (part.number == ::onnx::StringStringEntryProto::kValueFieldNumber)
      LAMINA_RETURN_IF_ERROR(entry.get(part, "StringStringEntryProto.value", value));
  }
  std::string_view *known = key == "location" ? &reference_.location
                            : key == "offset" ? &reference_.offset
                            : key == "length" ? &reference_.length
                                              : nullptr;
  // Readers differ in which of two they take.
  if (known && !known->empty())
    return entry.error(entry.offset(), "external data has two entries ", quoteName(key), "; ", kDamaged);
  if (known)
    *known = value;
  return absl::OkStatus();
}

/// Remembers the field that holds the data. Void ones do not count: some writers write all of them.
absl::Status TensorReader::noteData(const WireField &field) {
  bool again = dataField_ == field.number;
  if (again && field.number != Proto::kRawDataFieldNumber)
    return absl::OkStatus();
  bool isVoid = field.type == WireType::Bytes && field.bytes.empty();
  if (isVoid && !again && field.number != Proto::kStringDataFieldNumber)
    return absl::OkStatus();
  if (dataField_ != 0)
    return message_.error(field.offset, "a tensor has its data twice, in fields ", dataField_, " and ",
                          field.number, " of TensorProto; ", kDamaged);
  dataField_ = field.number;
  return absl::OkStatus();
}

absl::Status TensorReader::readField(const WireField &field) {
  switch (field.number) {
  case Proto::kDimsFieldNumber:
    return message_.append(field, "TensorProto.dims", tensor_.dims);
  case Proto::kDataTypeFieldNumber:
    return message_.get(field, "TensorProto.data_type", typeNumber_);
  case Proto::kNameFieldNumber:
    return message_.get(field, "TensorProto.name", tensor_.name);
  case Proto::kDataLocationFieldNumber:
    return message_.get(field, "TensorProto.data_location", location_);
  case Proto::kExternalDataFieldNumber:
    return readExternalEntry(field);
  case Proto::kSegmentFieldNumber:
    return message_.error(field.offset,
                          "a tensor is stored in segments, which lamina does not read; export the model "
                          "with external data instead");
  case Proto::kFloatDataFieldNumber:
  case Proto::kInt32DataFieldNumber:
  case Proto::kStringDataFieldNumber:
  case Proto::kInt64DataFieldNumber:
  case Proto::kRawDataFieldNumber:
  case Proto::kDoubleDataFieldNumber:
  case Proto::kUint64DataFieldNumber:
    return noteData(field);
  default:
    return absl::OkStatus();
  }
}

absl::Status TensorReader::readSize() {
  std::string what = strCat("tensor ", quoteName(tensor_.name));
  LAMINA_ASSIGN_OR_RETURN(tensor_.type, checkElementType(typeNumber_, message_, what));
  if (tensor_.type == ElementType::Undefined)
    return error("it has no element type; ", kDamaged);
  for (size_t i = 0; i < tensor_.dims.size(); ++i)
    if (tensor_.dims[i] < 0)
      return error("dimension ", i, " is ", tensor_.dims[i], ", expected 0 or more; ", kDamaged);
  std::optional<uint64_t> elements = countElements(tensor_.dims);
  std::optional<uint64_t> bytes = elements ? tensorBytes(tensor_.type, *elements) : std::nullopt;
  if (!bytes)
    return error("the product of its dimensions does not fit 63 bits; ", kDamaged);
  elements_ = *elements;
  bytes_ = *bytes;
  return absl::OkStatus();
}

absl::Status TensorReader::readExternal() {
  std::string what = strCat("external data ", quoteName(reference_.location));
  if (dataField_ != 0)
    return error("it has both ", what, " and data in the model's file; ", kDamaged);
  if (tensor_.type == ElementType::String)
    return error("it has ", what, ", which strings cannot have; ", kDamaged);
  if (!external_)
    return error("it has ", what,
                 ", which cannot be here; export the model again with the tensor's data in its file");
  absl::StatusOr<TensorPlace> place = external_->find(reference_, bytes_);
  if (!place.ok())
    return message_.within(strCat("tensor ", quoteName(tensor_.name), ": ", what), place.status());
  tensor_.data = *place;
  return absl::OkStatus();
}

absl::Status TensorReader::readStrings() {
  std::vector<std::string> strings;
  while (!message_.done()) {
    WireField field;
    LAMINA_RETURN_IF_ERROR(message_.next(field));
    if (field.number == dataField_)
      LAMINA_RETURN_IF_ERROR(message_.get(field, "TensorProto.string_data", strings.emplace_back()));
  }
  if (strings.size() != elements_)
    return error("its shape takes ", elements_, " strings, but there are ", strings.size(), "; ", kDamaged);
  tensor_.data = std::move(strings);
  return absl::OkStatus();
}

/// raw_data, float_data, double_data: what lies in the file is what lies in memory. A list may come in
/// pieces.
absl::Status TensorReader::readFixed() {
  std::string pieces;
  uint64_t total = 0;
  std::optional<TensorPlace> place;
  while (!message_.done()) {
    WireField field;
    LAMINA_RETURN_IF_ERROR(message_.next(field));
    if (field.number != dataField_)
      continue;
    WireType element = dataField_ == Proto::kDoubleDataFieldNumber ? WireType::Fixed64 : WireType::Fixed32;
    if (field.type != WireType::Bytes && (dataField_ == Proto::kRawDataFieldNumber || field.type != element))
      return message_.error(field.offset, "tensor ", quoteName(tensor_.name), ": expected bytes in field ",
                            field.number, " of TensorProto; ", kDamaged);
    total += field.bytes.size();
    if (field.bytes.size() == bytes_)
      place = TensorPlace{.file = 0, .offset = field.offset, .bytes = bytes_};
    else if (!place && total <= bytes_)
      pieces.append(reinterpret_cast<const char *>(field.bytes.data()), field.bytes.size());
  }
  if (total != bytes_)
    return error("its shape takes ", bytes_, " bytes, but there are ", total, "; ", kDamaged);
  if (place)
    tensor_.data = *place;
  else
    tensor_.data = std::move(pieces);
  return absl::OkStatus();
}

/// Numbers of variable length become as wide as an element; packed elements of 2 and 4 bits come a byte at a
/// time.
absl::Status TensorReader::readVarints() {
  unsigned bits = std::max(elementBits(tensor_.type), 8u);
  int64_t low = bits == 64 ? INT64_MIN : -(int64_t(1) << (bits - 1));
  int64_t high = bits == 64 ? INT64_MAX : (int64_t(1) << bits) - 1;
  std::string bytes;
  std::vector<int64_t> values;
  while (!message_.done()) {
    WireField field;
    LAMINA_RETURN_IF_ERROR(message_.next(field));
    if (field.number != dataField_)
      continue;
    values.clear();
    LAMINA_RETURN_IF_ERROR(message_.append(field, "a list of integers in TensorProto", values));
    for (int64_t value : values) {
      if (value < low || value > high)
        return error("the value ", value, " does not fit ", elementTypeName(tensor_.type), "; ", kDamaged);
      bytes.append(reinterpret_cast<const char *>(&value), bits / 8);
    }
  }
  if (bytes.size() != bytes_)
    return error("its shape takes ", bytes_ / (bits / 8), " numbers, but there are ",
                 bytes.size() / (bits / 8), "; ", kDamaged);
  tensor_.data = std::move(bytes);
  return absl::OkStatus();
}

absl::Status TensorReader::readData() {
  if (dataField_ == 0 && elements_ > 0)
    return error("it has ", elements_, " elements but no data; ", kDamaged);
  if (tensor_.type == ElementType::String && dataField_ == 0)
    tensor_.data = std::vector<std::string>();
  else if (dataField_ == 0)
    tensor_.data = std::string();
  if (dataField_ == 0)
    return absl::OkStatus();
  message_.rewind();
  if (dataField_ == Proto::kRawDataFieldNumber && tensor_.type != ElementType::String)
    return readFixed();
  if (dataField_ != listField(tensor_.type))
    return error("elements of type ", elementTypeName(tensor_.type), " cannot be in field ", dataField_,
                 " of TensorProto; ", kDamaged);
  if (elementBits(tensor_.type) == 6)
    return error("elements of type ", elementTypeName(tensor_.type),
                 " are in int32_data, which lamina does not read; write them as raw_data");
  switch (dataField_) {
  case Proto::kStringDataFieldNumber:
    return readStrings();
  case Proto::kFloatDataFieldNumber:
  case Proto::kDoubleDataFieldNumber:
    return readFixed();
  default:
    return readVarints();
  }
}

absl::StatusOr<TensorConstant> TensorReader::read() {
  while (!message_.done()) {
    WireField field;
    LAMINA_RETURN_IF_ERROR(message_.next(field));
    LAMINA_RETURN_IF_ERROR(readField(field));
  }
  LAMINA_RETURN_IF_ERROR(readSize());
  if (location_ != Proto::DEFAULT && location_ != Proto::EXTERNAL)
    return error("data_location is ", location_, ", expected 0 or 1; ", kDamaged);
  LAMINA_RETURN_IF_ERROR(location_ == Proto::EXTERNAL ? readExternal() : readData());
  return std::move(tensor_);
}

} // namespace

absl::StatusOr<ElementType> checkElementType(int64_t number, const WireMessage &message,
                                             std::string_view what) {
  if (number < 0 || number >= kNumElementTypes)
    return message.error(message.offset(), what, ": element type ", number, " is unknown, expected 1 to ",
                         kNumElementTypes - 1,
                         "; a newer lamina may read it, or export the model with another type");
  return static_cast<ElementType>(number);
}

absl::StatusOr<TensorConstant> readTensor(WireMessage message, ExternalData *external) {
  return TensorReader(message, external).read();
}

} // namespace lamina::onnx
