//===- Conversation.cpp - messages through the model's chat template ----------------------------------===//

#include "tools/lamina-run/Conversation.h"

#include <algorithm>

namespace lamina::run {

absl::StatusOr<Conversation> Conversation::create(const Tokenizer *tokenizer, const std::string &system) {
  if (!tokenizer)
    return absl::FailedPreconditionError("the model has no vocabulary, so it cannot chat");
  if (tokenizer->data().chatTemplate.empty())
    return absl::FailedPreconditionError(
        "the model has no chat template (tokenizer.chat_template); use --prompt without --chat");
  LAMINA_ASSIGN_OR_RETURN(ChatTemplate parsed, ChatTemplate::parse(tokenizer->data().chatTemplate));
  Conversation conversation(*tokenizer, std::move(parsed));
  if (!system.empty())
    conversation.add("system", system);
  return conversation;
}

bool Conversation::isAnswered() const {
  return std::any_of(messages_.begin(), messages_.end(),
                     [](const ChatMessage &message) { return message.role == "assistant"; });
}

absl::StatusOr<std::vector<int32_t>> Conversation::encode() const {
  LAMINA_ASSIGN_OR_RETURN(std::string text, template_.render(messages_, *tokenizer_));
  // Many templates write bos themselves; twice would be wrong.
  const TokenizerData &data = tokenizer_->data();
  bool hasBos = data.bos != NoToken && text.starts_with(data.tokens[static_cast<size_t>(data.bos)]);
  return tokenizer_->encode(text, {.addSpecial = !hasBos, .parseSpecial = true});
}

} // namespace lamina::run
