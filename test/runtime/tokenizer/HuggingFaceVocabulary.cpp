//===- HuggingFaceVocabulary.cpp - reads tokenizer.json, for tests --------------------------------------===//

#include "HuggingFaceVocabulary.h"

#include <nlohmann/json.hpp>

#include <fstream>

namespace lamina {

absl::StatusOr<TokenizerData> readHuggingFaceVocabulary(const std::string &path, const std::string &pre) {
  std::ifstream file(path);
  nlohmann::json json = nlohmann::json::parse(file, nullptr, /*allow_exceptions=*/false);
  if (json.is_discarded() || !json.contains("model"))
    return absl::InvalidArgumentError(path + ": no tokenizer.json");
  TokenizerData data;
  data.model = "gpt2";
  data.pre = pre;
  auto place = [&](size_t id, const std::string &text, TokenType type) {
    if (data.tokens.size() <= id) {
      data.tokens.resize(id + 1);
      data.types.resize(id + 1, TokenType::Unused);
    }
    data.tokens[id] = text;
    data.types[id] = type;
  };
  for (const auto &[text, id] : json["model"]["vocab"].items())
    place(id.get<size_t>(), text, TokenType::Normal);
  for (const auto &added : json["added_tokens"])
    place(added["id"].get<size_t>(), added["content"].get<std::string>(),
          added["special"].get<bool>() ? TokenType::Control : TokenType::UserDefined);
  for (const auto &merge : json["model"]["merges"])
    data.merges.push_back(merge.is_string()
                              ? merge.get<std::string>()
                              : merge[0].get<std::string>() + " " + merge[1].get<std::string>());
  applyTokenizerDefaults(data, data.tokens.size());
  // tokenizer.json does not say which of its tokens begins a text.
  data.bos = data.eos = NoToken;
  for (size_t id = 0; id < data.tokens.size(); ++id)
    if (data.tokens[id] == "<|begin_of_text|>")
      data.bos = static_cast<int32_t>(id);
  return data;
}

} // namespace lamina
