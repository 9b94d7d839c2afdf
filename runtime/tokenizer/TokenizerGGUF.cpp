//===- TokenizerGGUF.cpp - vocabularies in GGUF files ---------------------------------------------------===//

#include "runtime/tokenizer/TokenizerData.h"

#include "runtime/base/StrCat.h"
#include "runtime/io/GGUFWriter.h"

#include <array>

namespace lamina {
namespace {

/// What 32-bit writers store for "no such token".
constexpr uint32_t absentId = 0xffffffff;

constexpr const char *kPatterns = "tokenizer.lamina.patterns",
                     *kIgnoreMerges = "tokenizer.lamina.ignore_merges",
                     *kSpmMerges = "tokenizer.lamina.merges",
                     *kTypesComplete = "tokenizer.lamina.types_complete",
                     *kSpacePrefixOnce = "tokenizer.lamina.space_prefix_once",
                     *kStops = "tokenizer.lamina.stop_ids", *kComposes = "tokenizer.lamina.nfc";

/// Merges of a "llama" vocabulary under the usual key are none that it goes by.
const char *mergesKey(const TokenizerData &data) {
  return data.model == "gpt2" ? "tokenizer.ggml.merges" : kSpmMerges;
}

/// The ids of `data`, a TokenizerData or a const one, by their keys.
template <typename Data> auto idsByKey(Data &data) {
  return std::to_array<std::pair<const char *, decltype(&data.bos)>>(
      {{"tokenizer.ggml.bos_token_id", &data.bos},
       {"tokenizer.ggml.eos_token_id", &data.eos},
       {"tokenizer.ggml.eot_token_id", &data.eot},
       {"tokenizer.ggml.eom_token_id", &data.eom},
       {"tokenizer.ggml.unknown_token_id", &data.unk},
       {"tokenizer.ggml.padding_token_id", &data.pad}});
}

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
  if (data.model == "gpt2" || reader.has(kSpmMerges)) {
    LAMINA_ASSIGN_OR_RETURN(std::vector<std::string_view> merges, reader.getStrings(mergesKey(data)));
    data.merges.assign(merges.begin(), merges.end());
  }
  if (reader.has(kPatterns)) {
    LAMINA_ASSIGN_OR_RETURN(std::vector<std::string_view> patterns, reader.getStrings(kPatterns));
    data.patterns.assign(patterns.begin(), patterns.end());
  }
  if (reader.has(kStops)) {
    LAMINA_ASSIGN_OR_RETURN(std::vector<int64_t> stops, reader.getIntegers(kStops));
    for (int64_t id : stops) // one that fits no id is refused by validate()
      data.stops.push_back(id == static_cast<int32_t>(id) ? static_cast<int32_t>(id) : NoToken);
  }
  return absl::OkStatus();
}

absl::Status readIds(const GGUFReader &reader, TokenizerData &data) {
  for (auto [key, id] : idsByKey(data)) {
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
  LAMINA_ASSIGN_OR_RETURN(data.spacePrefixOnce, reader.getBoolOr(kSpacePrefixOnce, false));
  LAMINA_ASSIGN_OR_RETURN(data.typesComplete, reader.getBoolOr(kTypesComplete, false));
  LAMINA_ASSIGN_OR_RETURN(data.ignoreMerges, reader.getBoolOr(kIgnoreMerges, false));
  LAMINA_ASSIGN_OR_RETURN(data.composes, reader.getBoolOr(kComposes, false));
  LAMINA_ASSIGN_OR_RETURN(std::string_view chatTemplate, reader.getStringOr("tokenizer.chat_template", ""));
  data.chatTemplate = chatTemplate;
  if (absl::Status status = data.validate(); !status.ok())
    return absl::Status(status.code(), strCat(reader.path(), ": ", status.message()));
  return data;
}

void addTokenizer(const TokenizerData &data, GGUFWriter &writer) {
  auto addStrings = [&](const char *key, const std::vector<std::string> &texts) {
    writer.addStrings(key, std::vector<std::string_view>(texts.begin(), texts.end()));
  };
  writer.addString("tokenizer.ggml.model", data.model);
  if (!data.pre.empty())
    writer.addString("tokenizer.ggml.pre", data.pre);
  addStrings("tokenizer.ggml.tokens", data.tokens);
  if (!data.scores.empty())
    writer.addFloats("tokenizer.ggml.scores", data.scores);
  std::vector<int32_t> types;
  for (TokenType type : data.types)
    types.push_back(static_cast<int32_t>(type));
  if (!types.empty())
    writer.addInt32s("tokenizer.ggml.token_type", types);
  if (!data.merges.empty() || data.model == "gpt2")
    addStrings(mergesKey(data), data.merges);
  if (!data.patterns.empty())
    addStrings(kPatterns, data.patterns);
  for (auto [key, id] : idsByKey(data)) // absent ones too: readers have defaults
    writer.addU32(key, *id == NoToken ? absentId : static_cast<uint32_t>(*id));
  if (!data.stops.empty())
    writer.addInt32s(kStops, data.stops);
  writer.addBool("tokenizer.ggml.add_bos_token", data.addBos);
  writer.addBool("tokenizer.ggml.add_eos_token", data.addEos);
  writer.addBool("tokenizer.ggml.add_space_prefix", data.addSpacePrefix);
  writer.addBool(kSpacePrefixOnce, data.spacePrefixOnce);
  writer.addBool(kTypesComplete, data.typesComplete);
  writer.addBool(kIgnoreMerges, data.ignoreMerges);
  writer.addBool(kComposes, data.composes);
  if (!data.chatTemplate.empty())
    writer.addString("tokenizer.chat_template", data.chatTemplate);
}

} // namespace lamina
