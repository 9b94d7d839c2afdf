//===- Tokenizer.cpp - text to ids and back -------------------------------------------------------------===//

#include "runtime/tokenizer/Tokenizer.h"

#include "runtime/base/StrCat.h"
#include "runtime/tokenizer/BpeTokenizer.h"
#include "runtime/tokenizer/Normalizer.h"
#include "runtime/tokenizer/SpecialTokens.h"
#include "runtime/tokenizer/SpmTokenizer.h"
#include "runtime/tokenizer/Utf8.h"

#include <algorithm>

namespace lamina {
namespace {

/// Texts of tokens that end a turn, likeliest first: files often do not give eot_token_id.
constexpr std::string_view endOfTurnTexts[] = {
    "<|eot_id|>", "<|im_end|>", "<|end|>", "<end_of_turn>",         "<|endoftext|>",      "<|end_of_text|>",
    "<EOT>",      "_<EOT>",     "[EOT]",   "<｜end▁of▁sentence｜>", "<end_of_utterance>",
};
constexpr std::string_view endOfMessageText = "<|eom_id|>";

/// Texts of further tokens after which generation ends: ends of a document, and the marks that models of code
/// put between files.
constexpr std::string_view endOfGenerationTexts[] = {
    "</s>",         "<eos>",         "[EOS]",      "<|return|>", "<|call|>", "<|flush|>",
    "<|calls|>",    "<|fim_pad|>",   "<fim-pad>",  "<fim_pad>",  "<PAD>",    "[PAD]",
    "<|fim_repo|>", "<|repo_name|>", "<fim-repo>", "<reponame>", "<REPO>",   "<|file_sep|>",
};

/// Longer text would overflow the 32-bit positions of the mergers.
constexpr size_t maxTextBytes = size_t(1) << 30;

absl::Status tooLong(size_t bytes) {
  return absl::InvalidArgumentError(strCat("text of ", bytes, " bytes is too long to tokenize at once"));
}

} // namespace

Tokenizer::Tokenizer(TokenizerData data) : data_(std::move(data)) {
  if (data_.types.empty())
    data_.types.assign(data_.tokens.size(), TokenType::Normal);
}

Tokenizer::~Tokenizer() = default;

absl::StatusOr<std::unique_ptr<Tokenizer>> Tokenizer::create(TokenizerData data) {
  LAMINA_RETURN_IF_ERROR(data.validate());
  std::unique_ptr<Tokenizer> result;
  // Special ids first: they decide which tokens ordinary text may become.
  if (data.model == "llama") {
    auto tokenizer = std::make_unique<SpmTokenizer>(std::move(data));
    tokenizer->findSpecialIds();
    LAMINA_RETURN_IF_ERROR(tokenizer->build());
    result = std::move(tokenizer);
  } else {
    auto tokenizer = std::make_unique<BpeTokenizer>(std::move(data));
    tokenizer->findSpecialIds();
    LAMINA_RETURN_IF_ERROR(tokenizer->build());
    result = std::move(tokenizer);
  }
  result->buildPieces();
  return result;
}

bool Tokenizer::isSpecial(int32_t id) const {
  TokenType kind = type(id);
  return kind == TokenType::Control || kind == TokenType::Unknown || kind == TokenType::UserDefined;
}

void Tokenizer::findSpecialIds() {
  absl::flat_hash_map<std::string_view, int32_t> known;
  for (std::string_view text : endOfTurnTexts)
    known.emplace(text, NoToken);
  for (std::string_view text : endOfGenerationTexts)
    known.emplace(text, NoToken);
  known.emplace(endOfMessageText, NoToken);
  for (size_t i = 0; i < data_.tokens.size(); ++i) {
    // All of them begin with one of these; most tokens are done after one byte.
    if (char first = data_.tokens[i].empty() ? 0 : data_.tokens[i][0];
        first != '<' && first != '[' && first != '_')
      continue;
    if (data_.typesComplete && !isSpecial(static_cast<int32_t>(i)))
      continue;
    auto entry = known.find(data_.tokens[i]);
    if (entry != known.end() && entry->second == NoToken)
      entry->second = static_cast<int32_t>(i);
  }

  for (std::string_view text : endOfTurnTexts)
    if (data_.eot == NoToken)
      data_.eot = known[text];
  if (data_.eom == NoToken)
    data_.eom = known[endOfMessageText];

  // In this family of formats <|end|> separates the messages of one answer.
  bool endIsSeparator =
      known["<|end|>"] != NoToken && ((known["<|return|>"] != NoToken && known["<|call|>"] != NoToken) ||
                                      (known["<|calls|>"] != NoToken && known["<|flush|>"] != NoToken));
  if (endIsSeparator && data_.eot == known["<|end|>"])
    data_.eot = NoToken;

  endOfGeneration_.assign(data_.tokens.size(), false);
  for (auto [text, id] : known) {
    if (id == NoToken || (endIsSeparator && text == "<|end|>"))
      continue;
    endOfGeneration_[id] = true;
    // Some files forget to say that these are control tokens; text must not be able to end a generation.
    data_.types[id] = TokenType::Control;
  }
  for (int32_t id : {data_.eos, data_.eot, data_.eom})
    if (id != NoToken)
      endOfGeneration_[id] = true;
  for (int32_t id : data_.stops)
    endOfGeneration_[id] = true;

  special_ = std::make_unique<SpecialTokens>();
  for (int32_t i = 0; i < static_cast<int32_t>(data_.tokens.size()); ++i)
    if (isSpecial(i))
      special_->add(data_.tokens[i], i, data_.types[i] == TokenType::UserDefined);
}

void Tokenizer::buildPieces() {
  pieces_.reserve(data_.tokens.size());
  for (size_t i = 0; i < data_.tokens.size(); ++i) {
    const std::string &text = data_.tokens[i];
    TokenType kind = data_.types[i];
    if (isSpecial(static_cast<int32_t>(i)))
      pieces_.push_back(text);
    else if (kind == TokenType::Byte && spmByteValue(text) >= 0)
      pieces_.emplace_back(1, static_cast<char>(spmByteValue(text)));
    else if (data_.model == "llama")
      pieces_.push_back(utf8::replaceAll(text, "\u2581", " "));
    else
      pieces_.push_back(bytesOfLetters(text));
  }
}

absl::StatusOr<std::vector<int32_t>> Tokenizer::encode(std::string_view text, EncodeOptions options) const {
  if (text.size() > maxTextBytes)
    return tooLong(text.size());
  std::vector<int32_t> ids;
  if (options.addSpecial && data_.addBos)
    ids.push_back(data_.bos);
  bool afterSpecial = true;
  for (size_t offset = 0; offset < text.size();) {
    SpecialTokens::Match match = special_->find(text, offset, options.parseSpecial);
    if (match.offset > offset)
      LAMINA_RETURN_IF_ERROR(encodePart(text.substr(offset, match.offset - offset), afterSpecial, ids));
    if (match.id != NoToken)
      ids.push_back(match.id);
    afterSpecial = match.id != NoToken && !data_.spacePrefixOnce;
    offset = match.offset + match.length;
  }
  if (options.addSpecial && data_.addEos)
    ids.push_back(data_.eos);
  return ids;
}

absl::Status Tokenizer::encodePart(std::string_view text, bool afterSpecial,
                                   std::vector<int32_t> &ids) const {
  if (!data_.composes)
    return encodeText(text, afterSpecial, ids);
  std::string normal = composed(text);
  if (normal.size() > maxTextBytes)
    return tooLong(normal.size());
  return encodeText(normal, afterSpecial, ids);
}

std::string_view Tokenizer::decodePiece(int32_t id, DecodeOptions options) const {
  if (id < 0 || static_cast<size_t>(id) >= pieces_.size())
    return {};
  bool special = data_.types[id] == TokenType::Control || data_.types[id] == TokenType::Unknown;
  return special && !options.renderSpecial ? std::string_view() : std::string_view(pieces_[id]);
}

absl::StatusOr<std::string> Tokenizer::decode(std::span<const int32_t> ids, DecodeOptions options) const {
  std::string text;
  bool stripSpace = data_.addSpacePrefix;
  for (size_t i = 0; i < ids.size(); ++i) {
    if (ids[i] < 0 || static_cast<size_t>(ids[i]) >= pieces_.size())
      return absl::OutOfRangeError(strCat("token ", ids[i], " at position ", i, " is not one of ",
                                          pieces_.size(), " tokens of the vocabulary"));
    std::string_view piece = decodePiece(ids[i], options);
    if (piece.empty() || data_.types[ids[i]] == TokenType::Control) {
      text += piece;
      continue;
    }
    if (stripSpace && piece[0] == ' ')
      piece.remove_prefix(1);
    stripSpace = false;
    text += piece;
  }
  return text;
}

bool Tokenizer::isEndOfGeneration(int32_t id) const {
  return id >= 0 && static_cast<size_t>(id) < endOfGeneration_.size() && endOfGeneration_[id];
}

} // namespace lamina
