//===- TokenizerJson.cpp - vocabularies of Hugging Face tokenizers --------------------------------------===//
//
// Two kinds of BPE are told apart: byte-level, where a pre_tokenizer makes letters of bytes, becomes "gpt2"; what was
// made from SentencePiece, where a space is U+2581 and missing characters fall back to bytes, becomes "llama" with
// merges.
//
//===----------------------------------------------------------------------------------------------------===//

#include "runtime/tokenizer/TokenizerJson.h"

#include "runtime/tokenizer/JsonFields.h"
#include "runtime/tokenizer/SpmTokenizer.h"
#include "runtime/tokenizer/TextSteps.h"

#include "absl/container/flat_hash_map.h"

namespace lamina {
namespace {

absl::Status unsupported(const std::string &what) {
  return absl::UnimplementedError(strCat("tokenizer.json: ", what));
}

absl::Status wrong(const std::string &what) {
  return absl::InvalidArgumentError(strCat("tokenizer.json: ", what));
}

class Reader {
public:
  Reader(const Json &root, const Json &config) : root_(root), config_(config) {}

  absl::StatusOr<TokenizerData> read() {
    LAMINA_RETURN_IF_ERROR(readModel());
    LAMINA_RETURN_IF_ERROR(readAddedTokens());
    data_.typesComplete = true;
    LAMINA_RETURN_IF_ERROR(readTextSteps(root_, data_));
    LAMINA_RETURN_IF_ERROR(readSpecialIds());
    LAMINA_RETURN_IF_ERROR(readPostProcessor());
    if (absl::Status status = data_.validate(); !status.ok())
      return absl::Status(status.code(), strCat("tokenizer.json: ", status.message()));
    return std::move(data_);
  }

private:
  absl::Status readModel() {
    const Json *model = member(root_, "model"), *vocab = model ? member(*model, "vocab") : nullptr;
    std::string type = model ? textOr(*model, "type", "BPE") : "";
    if (model && type != "BPE")
      return unsupported(
          strCat("tokenizers of type ", quoteName(type),
                 " are not supported; supported is BPE, byte-level or made from SentencePiece"));
    if (!vocab || !vocab->is_object() || vocab->empty())
      return wrong("expected model.vocab, an object of tokens and their ids");
    for (const char *key : {"continuing_subword_prefix", "end_of_word_suffix"})
      if (!textOr(*model, key, "").empty())
        return unsupported(strCat("model.", key, " is not supported"));
    data_.ignoreMerges = flagOr(*model, "ignore_merges", false);
    const Json *added = member(root_, "added_tokens");
    // Ids need not be dense, but memory is for ids up to the largest.
    largest_ = 2 * (vocab->size() + (added ? added->size() : 0)) + 4096;
    bool bytes = flagOr(*model, "byte_fallback", false);
    for (const auto &[text, id] : vocab->items())
      LAMINA_RETURN_IF_ERROR(
          place(id, text, bytes && spmByteValue(text) >= 0 ? TokenType::Byte : TokenType::Normal));
    if (std::string unknown = textOr(*model, "unk_token", ""); !unknown.empty())
      unknown_ = std::move(unknown);
    return readMerges(*model);
  }

  absl::Status readMerges(const Json &model) {
    const Json *merges = member(model, "merges");
    if (!merges || !merges->is_array())
      return wrong("expected model.merges, an array");
    for (const Json &merge : *merges) {
      bool pair = merge.is_array() && merge.size() == 2 && merge[0].is_string() && merge[1].is_string();
      if (!pair && !merge.is_string())
        return wrong(strCat("model.merges: merge ", data_.merges.size(), " is not two texts"));
      data_.merges.push_back(pair ? merge[0].get<std::string>() + " " + merge[1].get<std::string>()
                                  : merge.get<std::string>());
    }
    return absl::OkStatus();
  }

  absl::Status readAddedTokens() {
    const Json *added = member(root_, "added_tokens");
    if (added && !added->is_array())
      return wrong("added_tokens: expected an array");
    for (const Json &token : added ? *added : Json::array()) {
      const Json *id = member(token, "id");
      std::string text = textOr(token, "content", "");
      if (!id || text.empty())
        return wrong("added_tokens: expected tokens with an id and a content");
      TokenType type = text == unknown_                  ? TokenType::Unknown
                       : flagOr(token, "special", false) ? TokenType::Control
                                                         : TokenType::UserDefined;
      LAMINA_RETURN_IF_ERROR(place(*id, text, type));
    }
    return absl::OkStatus();
  }

  absl::Status place(const Json &number, const std::string &text, TokenType type) {
    std::optional<int64_t> id = natural(number);
    if (!id || static_cast<size_t>(*id) > largest_)
      return wrong(strCat("token ", quoteName(text), " has no id from 0 to ", largest_));
    if (data_.tokens.size() <= static_cast<size_t>(*id)) {
      data_.tokens.resize(*id + 1);
      data_.types.resize(*id + 1, TokenType::Unused);
    }
    if (!data_.tokens[*id].empty() && data_.tokens[*id] != text)
      return wrong(strCat("tokens ", quoteName(data_.tokens[*id]), " and ", quoteName(text),
                          " have the same id, ", *id));
    data_.tokens[*id] = text;
    data_.types[*id] = type;
    ids_[text] = static_cast<int32_t>(*id);
    return absl::OkStatus();
  }

  int32_t idOf(const std::string &text) const {
    auto found = ids_.find(text);
    return found == ids_.end() ? NoToken : found->second;
  }

  /// A token of tokenizer_config.json: its text, or an object with its content.
  int32_t configToken(const char *key) const {
    const Json *token = member(config_, key);
    return token && token->is_object() ? idOf(textOr(*token, "content", "")) : idOf(textOr(config_, key, ""));
  }

  absl::Status readSpecialIds() {
    data_.bos = configToken("bos_token");
    data_.eos = configToken("eos_token");
    data_.pad = configToken("pad_token");
    data_.unk = idOf(unknown_);
    data_.addBos = data_.bos != NoToken && flagOr(config_, "add_bos_token", false);
    data_.addEos = data_.eos != NoToken && flagOr(config_, "add_eos_token", false);
    data_.chatTemplate = textOr(config_, "chat_template", "");
    if (const Json *templates = member(config_, "chat_template"); templates && templates->is_array())
      for (const Json &one : *templates) // by name
        if (textOr(one, "name", "") == "default")
          data_.chatTemplate = textOr(one, "template", "");
    return absl::OkStatus();
  }

  /// What is put in front of a text and behind it.
  absl::Status readPostProcessor() {
    for (const Json *step : stepsOf(member(root_, "post_processor"), "processors")) {
      std::string type = textOr(*step, "type", "");
      if (type == "TemplateProcessing")
        LAMINA_RETURN_IF_ERROR(readTemplate(*step));
      else if (type != "ByteLevel") // which moves offsets alone
        return unsupported(strCat("post_processor ", quoteName(type), " is not supported"));
    }
    return absl::OkStatus();
  }

  absl::Status readTemplate(const Json &step) {
    const Json *single = member(step, "single");
    bool sequence = false;
    for (const Json &piece : single && single->is_array() ? *single : Json::array()) {
      if (member(piece, "Sequence")) {
        sequence = true;
        continue;
      }
      const Json *special = member(piece, "SpecialToken");
      int32_t id = special ? idOf(textOr(*special, "id", "")) : NoToken;
      bool &added = sequence ? addedBehind_ : addedInFront_;
      if (id == NoToken || added)
        return unsupported(
            "post_processor: supported are templates with one token of the vocabulary in front of the text "
            "and one behind it");
      added = true;
      (sequence ? data_.eos : data_.bos) = id;
      (sequence ? data_.addEos : data_.addBos) = true;
    }
    return absl::OkStatus();
  }

  const Json &root_, &config_;
  TokenizerData data_;
  size_t largest_ = 0; ///< id
  std::string unknown_;
  absl::flat_hash_map<std::string, int32_t> ids_;
  bool addedInFront_ = false, addedBehind_ = false;
};

} // namespace

absl::StatusOr<TokenizerData> tokenizerDataFromJson(std::string_view tokenizer, std::string_view config) {
  LAMINA_ASSIGN_OR_RETURN(Json root, parseJsonObject(tokenizer, "tokenizer.json"));
  LAMINA_ASSIGN_OR_RETURN(Json options,
                          parseJsonObject(config.empty() ? "{}" : config, "tokenizer_config.json"));
  return Reader(root, options).read();
}

} // namespace lamina
