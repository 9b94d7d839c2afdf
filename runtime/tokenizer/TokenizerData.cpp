//===- TokenizerData.cpp - a vocabulary as plain data ---------------------------------------------------===//

#include "runtime/tokenizer/TokenizerData.h"

#include "runtime/base/StrCat.h"
#include "runtime/tokenizer/PreTokenizer.h"

#include <cmath>
#include <limits>

namespace lamina {
namespace {

absl::Status checkArrays(const TokenizerData &data) {
  if (data.tokens.empty())
    return absl::InvalidArgumentError("tokenizer.ggml.tokens is empty: the file holds no vocabulary");
  if (data.tokens.size() >= std::numeric_limits<int32_t>::max() / 2)
    return absl::InvalidArgumentError(
        strCat("tokenizer.ggml.tokens: ", data.tokens.size(), " tokens are too many"));
  if (!data.scores.empty() && data.scores.size() != data.tokens.size())
    return absl::InvalidArgumentError(strCat("tokenizer.ggml.scores: expected ", data.tokens.size(),
                                             " scores, one per token, got ", data.scores.size()));
  if (!data.types.empty() && data.types.size() != data.tokens.size())
    return absl::InvalidArgumentError(strCat("tokenizer.ggml.token_type: expected ", data.tokens.size(),
                                             " types, one per token, got ", data.types.size()));
  for (size_t i = 0; i < data.scores.size(); ++i)
    if (std::isnan(data.scores[i]))
      return absl::InvalidArgumentError(
          strCat("tokenizer.ggml.scores: the score of token ", i, " is not a number"));
  for (size_t i = 0; i < data.types.size(); ++i)
    if (data.types[i] > TokenType::Byte)
      return absl::InvalidArgumentError(strCat("tokenizer.ggml.token_type: token ", i, " has unknown type ",
                                               static_cast<int>(data.types[i]), ", expected 0 to 6"));
  for (size_t i = 0; i < data.merges.size(); ++i) {
    size_t space = data.merges[i].find(' ', 1);
    if (space == std::string::npos || space + 1 == data.merges[i].size())
      return absl::InvalidArgumentError(
          strCat("tokenizer.ggml.merges: merge ", i, " is not two texts with a space between them"));
  }
  return absl::OkStatus();
}

absl::Status checkIds(const TokenizerData &data) {
  const std::pair<const char *, int32_t> ids[] = {{"bos", data.bos},     {"eos", data.eos},
                                                  {"eot", data.eot},     {"eom", data.eom},
                                                  {"unknown", data.unk}, {"padding", data.pad}};
  for (auto [name, id] : ids)
    if (id != NoToken && (id < 0 || static_cast<size_t>(id) >= data.tokens.size()))
      return absl::InvalidArgumentError(strCat("tokenizer.ggml.", name, "_token_id: ", id,
                                               " is not the id of one of ", data.tokens.size(), " tokens"));
  for (int32_t id : data.stops)
    if (id < 0 || static_cast<size_t>(id) >= data.tokens.size())
      return absl::InvalidArgumentError(strCat("tokenizer.lamina.stop_ids: ", id, " is not the id of one of ",
                                               data.tokens.size(), " tokens"));
  if (data.addBos && data.bos == NoToken)
    return absl::InvalidArgumentError(
        "tokenizer.ggml.add_bos_token is set, but there is no tokenizer.ggml.bos_token_id");
  if (data.addEos && data.eos == NoToken)
    return absl::InvalidArgumentError(
        "tokenizer.ggml.add_eos_token is set, but there is no tokenizer.ggml.eos_token_id");
  return absl::OkStatus();
}

} // namespace

absl::Status TokenizerData::validate() const {
  if (model != "llama" && model != "gpt2")
    return absl::UnimplementedError(
        strCat("unsupported tokenizer model \"", model.substr(0, 64),
               "\" (tokenizer.ggml.model); supported are llama (SentencePiece) and gpt2 "
               "(byte-level BPE)"));
  if (model == "gpt2" && patterns.empty())
    LAMINA_RETURN_IF_ERROR(findPreTokenizer(pre).status());
  LAMINA_RETURN_IF_ERROR(checkArrays(*this));
  return checkIds(*this);
}

void applyTokenizerDefaults(TokenizerData &data, size_t tokenCount) {
  auto reachable = [&](int32_t id) { return static_cast<size_t>(id) < tokenCount ? id : NoToken; };
  if (data.model == "llama") {
    data.bos = reachable(1);
    data.eos = reachable(2);
    data.unk = reachable(0);
    data.addBos = data.addSpacePrefix = true;
  } else if (data.model == "gpt2") {
    absl::StatusOr<const PreTokenizerSpec *> spec = findPreTokenizer(data.pre);
    data.bos = data.eos = reachable(11);
    data.addBos = spec.ok() && (*spec)->addBos;
  }
}

} // namespace lamina
