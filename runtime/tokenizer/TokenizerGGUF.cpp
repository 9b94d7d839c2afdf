//===- TokenizerGGUF.cpp - reads the vocabulary of a GGUF file ------------------------------------------===//

#include "runtime/tokenizer/TokenizerData.h"

#include "runtime/base/StrCat.h"
#include "runtime/io/GGUFReader.h"

namespace lamina {
namespace {

/// What 32-bit writers store for "no such token".
constexpr uint64_t absentId = 0xffffffff;

absl::Status readModel(const GGUFReader &reader, TokenizerData &data) {
  if (!reader.has("tokenizer.ggml.model"))
    return absl::NotFoundError(strCat(reader.path(),
                                      ": no tokenizer.ggml.model: the file holds no vocabulary; "
                                      "pass token ids, or a file converted with its tokenizer"));
  LAMINA_ASSIGN_OR_RETURN(std::string_view model, reader.getString("tokenizer.ggml.model"));
  if (model == "none" || model == "no_vocab")
    return absl::NotFoundError(
        strCat(reader.path(), ": tokenizer.ggml.model is \"", model,
               "\": the file holds no vocabulary; pass token ids, or a file converted with "
               "its tokenizer"));
  LAMINA_ASSIGN_OR_RETURN(std::string_view pre, reader.getStringOr("tokenizer.ggml.pre", ""));
  data.model = model;
  data.pre = pre;
  return absl::OkStatus();
}

absl::Status readArrays(const GGUFReader &reader, TokenizerData &data) {
  LAMINA_ASSIGN_OR_RETURN(std::vector<std::string_view> tokens, reader.getStrings("tokenizer.ggml.tokens"));
  data.tokens.assign(tokens.begin(), tokens.end());
  if (reader.has("tokenizer.ggml.scores")) {
    LAMINA_ASSIGN_OR_RETURN(GGUFArray<float> scores, reader.getFloats("tokenizer.ggml.scores"));
    data.scores.resize(scores.size());
    for (size_t i = 0; i < scores.size(); ++i)
      data.scores[i] = scores[i];
  }
  if (reader.has("tokenizer.ggml.token_type")) {
    LAMINA_ASSIGN_OR_RETURN(std::vector<int64_t> types, reader.getIntegers("tokenizer.ggml.token_type"));
    data.types.resize(types.size());
    for (size_t i = 0; i < types.size(); ++i)
      data.types[i] = static_cast<TokenType>(types[i] < 0 || types[i] > 255 ? 255 : types[i]);
  }
  if (data.model == "gpt2") {
    LAMINA_ASSIGN_OR_RETURN(std::vector<std::string_view> merges, reader.getStrings("tokenizer.ggml.merges"));
    data.merges.assign(merges.begin(), merges.end());
  }
  return absl::OkStatus();
}

absl::Status readIds(const GGUFReader &reader, TokenizerData &data) {
  const std::pair<const char *, int32_t *> ids[] = {
      {"tokenizer.ggml.bos_token_id", &data.bos},     {"tokenizer.ggml.eos_token_id", &data.eos},
      {"tokenizer.ggml.eot_token_id", &data.eot},     {"tokenizer.ggml.eom_token_id", &data.eom},
      {"tokenizer.ggml.unknown_token_id", &data.unk}, {"tokenizer.ggml.padding_token_id", &data.pad}};
  for (auto [key, id] : ids) {
    const GGUFPair *pair = reader.find(key);
    if (!pair)
      continue;
    LAMINA_ASSIGN_OR_RETURN(int64_t value, reader.getSigned(key));
    if (value == -1 || static_cast<uint64_t>(value) == absentId) {
      *id = NoToken;
      continue;
    }
    if (value < 0 || static_cast<uint64_t>(value) >= data.tokens.size())
      return absl::InvalidArgumentError(strCat(reader.path(), ": ", key, " at byte ", pair->offset, ": ",
                                               value, " is not the id of one of ", data.tokens.size(),
                                               " tokens"));
    *id = static_cast<int32_t>(value);
  }
  return absl::OkStatus();
}

} // namespace

absl::StatusOr<TokenizerData> tokenizerDataFromGGUF(const GGUFReader &reader) {
  TokenizerData data;
  LAMINA_RETURN_IF_ERROR(readModel(reader, data));
  LAMINA_RETURN_IF_ERROR(readArrays(reader, data));
  applyTokenizerDefaults(data, data.tokens.size());
  LAMINA_RETURN_IF_ERROR(readIds(reader, data));
  LAMINA_ASSIGN_OR_RETURN(data.addBos, reader.getBoolOr("tokenizer.ggml.add_bos_token", data.addBos));
  LAMINA_ASSIGN_OR_RETURN(data.addEos, reader.getBoolOr("tokenizer.ggml.add_eos_token", data.addEos));
  LAMINA_ASSIGN_OR_RETURN(data.addSpacePrefix,
                          reader.getBoolOr("tokenizer.ggml.add_space_prefix", data.addSpacePrefix));
  LAMINA_ASSIGN_OR_RETURN(std::string_view chatTemplate, reader.getStringOr("tokenizer.chat_template", ""));
  data.chatTemplate = chatTemplate;
  if (absl::Status status = data.validate(); !status.ok())
    return absl::Status(status.code(), strCat(reader.path(), ": ", status.message()));
  return data;
}

} // namespace lamina
