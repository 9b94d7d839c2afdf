//===- ExportFolder.cpp - the files beside an exported model --------------------------------------------===//

#include "lib/Import/ExportFolder.h"

#include "lib/Import/ONNX/ExternalData.h"
#include "runtime/io/GGUFWriter.h"
#include "runtime/sampler/SamplerGGUF.h"
#include "runtime/tokenizer/JsonFields.h"
#include "runtime/tokenizer/Tokenizer.h"
#include "runtime/tokenizer/TokenizerJson.h"

#include <filesystem>
#include <fstream>
#include <limits>
#include <sstream>

namespace lamina {
namespace {

namespace fs = std::filesystem;

constexpr const char *kDecoder = "model.onnx";

/// Files of one folder, empty if they are not there.
class Folder {
public:
  explicit Folder(fs::path path) : path_(std::move(path)) {}

  bool has(const char *name) const {
    std::error_code ignored;
    return fs::exists(path_ / name, ignored);
  }

  absl::StatusOr<std::string> text(const char *name) const {
    if (!has(name))
      return std::string();
    std::ifstream file(path_ / name, std::ios::binary);
    std::ostringstream text;
    text << file.rdbuf();
    if (!file)
      return absl::UnavailableError(strCat((path_ / name).string(), ": cannot be read"));
    return text.str();
  }

  /// Empty if the file is.
  absl::StatusOr<Json> object(const char *name) const {
    LAMINA_ASSIGN_OR_RETURN(std::string content, text(name));
    return parseJsonObject(content.empty() ? "{}" : content, name);
  }

private:
  fs::path path_;
};

/// eos_token_id of a configuration, one or several.
absl::StatusOr<std::vector<int32_t>> stopIds(const Json &config, const char *file, size_t tokens) {
  std::vector<int32_t> ids;
  const Json *value = member(config, "eos_token_id");
  if (!value)
    return ids;
  for (const Json &one : value->is_array() ? *value : Json::array({*value})) {
    std::optional<int64_t> id = natural(one);
    if (!id || static_cast<size_t>(*id) >= tokens)
      return absl::InvalidArgumentError(strCat(file, ": eos_token_id: expected ids from 0 to ", tokens - 1,
                                               ", got: ", quoteName(one.dump())));
    ids.push_back(static_cast<int32_t>(*id));
  }
  return ids;
}

/// What ends a generation. generation_config.json decides, from which exporters make the other.
absl::Status readStops(const Folder &folder, TokenizerData &data) {
  LAMINA_ASSIGN_OR_RETURN(Json generation, folder.object(kGenerationConfig));
  LAMINA_ASSIGN_OR_RETURN(data.stops, stopIds(generation, kGenerationConfig, data.tokens.size()));
  LAMINA_ASSIGN_OR_RETURN(Json genai, folder.object(kGenAIConfig));
  if (const Json *model = member(genai, "model"); model && data.stops.empty()) {
    LAMINA_ASSIGN_OR_RETURN(data.stops, stopIds(*model, kGenAIConfig, data.tokens.size()));
  }
  if (data.eos == NoToken && !data.stops.empty())
    data.eos = data.stops[0];
  return absl::OkStatus();
}

absl::Status readNumber(const Json &config, const char *file, const char *key, float &value) {
  const Json *number = member(config, key);
  if (number && !number->is_number())
    return absl::InvalidArgumentError(
        strCat(file, ": ", key, ": expected a number, got: ", quoteName(number->dump())));
  if (number)
    value = number->get<float>();
  return absl::OkStatus();
}

/// What a configuration leaves out is Hugging Face's default, which differs from ours.
absl::StatusOr<SamplerOptions> readSampling(const Json &config, const char *file) {
  SamplerOptions options;
  LAMINA_RETURN_IF_ERROR(readNumber(config, file, "repetition_penalty", options.repetitionPenalty));
  if (options.repetitionPenalty != 1.0f) // of all tokens so far
    options.repetitionWindow = std::numeric_limits<int32_t>::max();
  if (flagOr(config, "do_sample", false)) {
    float topK = 50;
    options.temperature = 1.0f;
    LAMINA_RETURN_IF_ERROR(readNumber(config, file, "temperature", options.temperature));
    LAMINA_RETURN_IF_ERROR(readNumber(config, file, "top_k", topK));
    LAMINA_RETURN_IF_ERROR(readNumber(config, file, "top_p", options.topP));
    LAMINA_RETURN_IF_ERROR(readNumber(config, file, "min_p", options.minP));
    options.topK = topK >= 0 && topK < 1e6f ? static_cast<int32_t>(topK) : -1;
  }
  if (absl::Status status = options.validate(); !status.ok())
    return absl::Status(status.code(), strCat(file, ": ", status.message()));
  return options;
}

/// generation_config.json decides where it is there.
absl::StatusOr<SamplerOptions> samplingInFolder(const Folder &folder) {
  LAMINA_ASSIGN_OR_RETURN(Json generation, folder.object(kGenerationConfig));
  if (!generation.empty())
    return readSampling(generation, kGenerationConfig);
  LAMINA_ASSIGN_OR_RETURN(Json genai, folder.object(kGenAIConfig));
  const Json *search = member(genai, "search");
  return readSampling(search ? *search : Json::object(), kGenAIConfig);
}

absl::StatusOr<TokenizerData> readVocabulary(const Folder &folder) {
  LAMINA_ASSIGN_OR_RETURN(std::string tokenizer, folder.text(kTokenizerJson));
  LAMINA_ASSIGN_OR_RETURN(std::string config, folder.text(kTokenizerConfig));
  LAMINA_ASSIGN_OR_RETURN(TokenizerData data, tokenizerDataFromJson(tokenizer, config));
  LAMINA_ASSIGN_OR_RETURN(std::string chat, folder.text(kChatTemplate));
  if (!chat.empty())
    data.chatTemplate = std::move(chat);
  LAMINA_RETURN_IF_ERROR(readStops(folder, data));
  return data;
}

absl::Status addVocabulary(TokenizerData data, int64_t logits, GGUFWriter &writer) {
  if (static_cast<int64_t>(data.tokens.size()) > logits)
    return absl::InvalidArgumentError(strCat("tokenizer.json: it has ids up to ", data.tokens.size() - 1,
                                             ", but the model's logits are ", logits,
                                             "; expected the tokenizer that the model was trained with"));
  addTokenizer(data, writer);
  // What no file can say by itself, such as patterns that do not compile.
  return Tokenizer::create(std::move(data)).status();
}

absl::Status addFiles(const Folder &folder, int64_t logits, GGUFWriter &writer) {
  LAMINA_ASSIGN_OR_RETURN(SamplerOptions sampling, samplingInFolder(folder));
  addSamplerOptions(sampling, writer);
  if (!folder.has(kTokenizerJson))
    return absl::OkStatus();
  absl::StatusOr<TokenizerData> data = readVocabulary(folder);
  if (absl::IsUnimplemented(data.status()))
    return absl::UnimplementedError(
        strCat(data.status().message(), "; without tokenizer.json the model runs on token ids"));
  LAMINA_RETURN_IF_ERROR(data.status());
  return addVocabulary(*std::move(data), logits, writer);
}

absl::Status inFolder(const std::string &folder, const absl::Status &status) {
  return absl::Status(status.code(), strCat(folder, ": ", status.message()));
}

absl::StatusOr<std::string> decoderName(const Folder &folder) {
  LAMINA_ASSIGN_OR_RETURN(Json genai, folder.object(kGenAIConfig));
  const Json *model = member(genai, "model"), *decoder = model ? member(*model, "decoder") : nullptr;
  std::string name = decoder ? textOr(*decoder, "filename", "") : "";
  if (name.empty() && !folder.has(kDecoder))
    return absl::NotFoundError(
        strCat("the folder holds no ", kDecoder, ", and no ", kGenAIConfig,
               " that names a decoder; give a model file, or the folder that an exporter wrote"));
  if (name.empty())
    return kDecoder;
  absl::StatusOr<std::string> location = onnx::normalLocation(name);
  if (!location.ok())
    return absl::InvalidArgumentError(strCat(kGenAIConfig, ": model.decoder.filename ", quoteName(name), ": ",
                                             location.status().message()));
  return location;
}

} // namespace

absl::StatusOr<std::string> decoderInFolder(const std::string &folder) {
  absl::StatusOr<std::string> name = decoderName(Folder(folder));
  if (!name.ok())
    return inFolder(folder, name.status());
  return (fs::path(folder) / *name).string();
}

absl::StatusOr<std::string> vocabularyInFolder(const std::string &folder, int64_t logits) {
  GGUFWriter writer;
  if (absl::Status status = addFiles(Folder(folder), logits, writer); !status.ok())
    return inFolder(folder, status);
  return writer.finish();
}

} // namespace lamina
