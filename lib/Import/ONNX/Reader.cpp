//===- Reader.cpp - reads ONNX model files ---------------------------------------------------------===//

#include "lib/Import/ONNX/Reader.h"

#include "lib/Import/ONNX/FunctionReader.h"
#include "lib/Import/ONNX/GraphReader.h"
#include "lib/Import/ONNX/TensorReader.h"
#include "lib/Import/ONNX/onnx.pb.h"

namespace lamina::onnx {
namespace {

using Proto = ::onnx::ModelProto;
static_assert(kNewestIrVersion == ::onnx::IR_VERSION);

/// What a file that is not ONNX looks like, and what to do about it.
std::string_view guessContent(std::span<const uint8_t> bytes) {
  std::string_view start(reinterpret_cast<const char *>(bytes.data()), std::min<size_t>(bytes.size(), 64));
  if (start.empty())
    return "the file is empty; download it again";
  if (start.starts_with("version https://git-lfs"))
    return "this is a Git LFS pointer, fetch the file itself with 'git lfs pull'";
  if (start.starts_with("<"))
    return "this is a web page, download the file itself";
  if (start.starts_with("PK\x03\x04"))
    return "this looks like a PyTorch checkpoint, export it to ONNX first";
  if (start.starts_with("GGUF"))
    return "this is a GGUF model, give it the extension .gguf";
  return "expected an ONNX model (a ModelProto with ir_version and graph)";
}

class ModelReader {
public:
  /// `path` names the model in messages; it must outlive the reader, unlike the model's own, which moves.
  ModelReader(Model &model, const std::string &path, ReadOptions options)
      : model_(model), message_(path, model.files.front().bytes, 0),
        external_(model.files, options.allowMissingData) {}
  absl::Status read();

private:
  absl::Status readField(const WireField &field);
  absl::Status readMetadata(const WireField &field);
  absl::Status checkVersions();

  Model &model_;
  WireMessage message_;
  ExternalData external_;
  std::optional<WireMessage> graph_;
  std::vector<WireMessage> functions_;
  std::string producerVersion_;
};

absl::Status ModelReader::readMetadata(const WireField &field) {
  using Entry = ::onnx::StringStringEntryProto;
  LAMINA_ASSIGN_OR_RETURN(WireMessage entry, message_.message(field, "ModelProto.metadata_props"));
  std::string key, value;
  while (!entry.done()) {
    WireField part;
    LAMINA_RETURN_IF_ERROR(entry.next(part));
    if (part.number == Entry::kKeyFieldNumber)
      LAMINA_RETURN_IF_ERROR(entry.get(part, "StringStringEntryProto.key", key));
    if (part.number == Entry::kValueFieldNumber)
      LAMINA_RETURN_IF_ERROR(entry.get(part, "StringStringEntryProto.value", value));
  }
  model_.metadata[std::move(key)] = std::move(value);
  return absl::OkStatus();
}

absl::Status ModelReader::readField(const WireField &field) {
  switch (field.number) {
  case Proto::kIrVersionFieldNumber:
    return message_.get(field, "ModelProto.ir_version", model_.irVersion);
  case Proto::kProducerNameFieldNumber:
    return message_.get(field, "ModelProto.producer_name", model_.producer);
  case Proto::kProducerVersionFieldNumber:
    return message_.get(field, "ModelProto.producer_version", producerVersion_);
  case Proto::kOpsetImportFieldNumber: {
    LAMINA_ASSIGN_OR_RETURN(WireMessage opset, message_.message(field, "ModelProto.opset_import"));
    return readOpset(opset, model_.opsets);
  }
  case Proto::kGraphFieldNumber: {
    // Protobuf would merge the two.
    if (graph_)
      return message_.error(field.offset, "the model has two graphs; ", kDamaged);
    LAMINA_ASSIGN_OR_RETURN(graph_, message_.message(field, "ModelProto.graph"));
    return absl::OkStatus();
  }
  case Proto::kFunctionsFieldNumber: {
    LAMINA_ASSIGN_OR_RETURN(WireMessage function, message_.message(field, "ModelProto.functions"));
    functions_.push_back(function);
    return absl::OkStatus();
  }
  case Proto::kMetadataPropsFieldNumber:
    return readMetadata(field);
  default:
    return absl::OkStatus();
  }
}

absl::Status ModelReader::checkVersions() {
  int64_t version = model_.irVersion;
  if (version < kOldestIrVersion)
    return message_.error(0, "ONNX IR version ", version, ", expected ", kOldestIrVersion, " to ",
                          kNewestIrVersion, "; export the model again with a newer version of ONNX");
  if (version > kNewestIrVersion)
    return message_.error(0, "ONNX IR version ", version, ", expected ", kOldestIrVersion, " to ",
                          kNewestIrVersion,
                          "; a newer lamina may read it, or export the model with an older version of ONNX");
  if (!graph_)
    return message_.error(message_.bytes().size(), "the model has no graph; ", kCutOff);
  if (model_.opsets.empty())
    return message_.error(message_.bytes().size(), "the model imports no operator set; ", kCutOff);
  return absl::OkStatus();
}

absl::Status ModelReader::read() {
  if (!looksLikeOnnx(message_.bytes()))
    return message_.error(0, guessContent(message_.bytes()));
  while (!message_.done()) {
    WireField field;
    LAMINA_RETURN_IF_ERROR(message_.next(field));
    LAMINA_RETURN_IF_ERROR(readField(field));
  }
  LAMINA_RETURN_IF_ERROR(checkVersions());
  if (!producerVersion_.empty())
    model_.producer += " " + producerVersion_;
  LAMINA_ASSIGN_OR_RETURN(model_.graph, GraphReader(external_, /*inFunction=*/false).readGraph(*graph_));
  if (model_.graph.outputs.empty())
    return message_.error(graph_->offset(), "the graph has no outputs; ", kDamaged);
  for (const WireMessage &message : functions_) {
    LAMINA_ASSIGN_OR_RETURN(Function function, readFunction(message, external_));
    model_.functions.push_back(std::move(function));
  }
  return checkFunctions(model_);
}

absl::StatusOr<Model> read(ModelFile file, ReadOptions options) {
  Model model;
  std::string path = file.path;
  model.files.push_back(std::move(file));
  LAMINA_RETURN_IF_ERROR(ModelReader(model, path, options).read());
  return model;
}

} // namespace

absl::StatusOr<Model> readModel(const std::string &path, ReadOptions options) {
  ModelFile file{.path = path};
  LAMINA_ASSIGN_OR_RETURN(file.mapping, MappedFile::open(path));
  file.bytes = file.mapping.bytes();
  return read(std::move(file), options);
}

absl::StatusOr<Model> readModel(std::span<const uint8_t> bytes, std::string name, ReadOptions options) {
  return read({.path = std::move(name), .bytes = bytes}, options);
}

bool looksLikeOnnx(std::span<const uint8_t> bytes) {
  static const std::string path;
  WireMessage message(path, bytes, 0);
  bool hasVersion = false, hasContent = false;
  while (!message.done() && !(hasVersion && hasContent)) {
    WireField field;
    bool whole = message.next(field).ok();
    if (field.number == Proto::kIrVersionFieldNumber)
      hasVersion = field.type == WireType::Varint && field.value >= 1 && field.value <= 1000;
    if (field.number == Proto::kModelVersionFieldNumber && field.type != WireType::Varint)
      return false; // as in the plan of an artifact, whose workers have this number
    // The beginning of a file ends within its graph.
    if (field.number == Proto::kGraphFieldNumber || field.number == Proto::kOpsetImportFieldNumber)
      hasContent = field.type == WireType::Bytes;
    if (!whole)
      break;
  }
  return hasVersion && hasContent;
}

absl::StatusOr<TensorConstant> readTensorFile(std::span<const uint8_t> bytes, const std::string &name) {
  WireMessage message(name, bytes, 0);
  absl::StatusOr<TensorConstant> tensor = readTensor(message, /*external=*/nullptr);
  if (!tensor.ok())
    return message.within("expected one tensor, not a sequence or an optional", tensor.status());
  if (const auto *place = std::get_if<TensorPlace>(&tensor->data)) {
    std::span<const uint8_t> data = bytes.subspan(place->offset, place->bytes);
    tensor->data = std::string(reinterpret_cast<const char *>(data.data()), data.size());
  }
  return tensor;
}

absl::StatusOr<TensorConstant> readTensorFile(const std::string &path) {
  LAMINA_ASSIGN_OR_RETURN(MappedFile file, MappedFile::open(path));
  return readTensorFile(file.bytes(), path);
}

} // namespace lamina::onnx
