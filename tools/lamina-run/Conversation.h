//===- Conversation.h - messages through the model's chat template --------------------------*- C++ -*-===//

#ifndef LAMINA_TOOLS_LAMINA_RUN_CONVERSATION_H
#define LAMINA_TOOLS_LAMINA_RUN_CONVERSATION_H

#include "runtime/tokenizer/ChatTemplate.h"
#include "runtime/tokenizer/Tokenizer.h"

#include <string>
#include <vector>

namespace lamina::run {

class Conversation {
public:
  /// FailedPrecondition if the model has no vocabulary or no chat template. An empty `system` is no message.
  static absl::StatusOr<Conversation> create(const Tokenizer *tokenizer, const std::string &system);

  void add(std::string role, std::string content) {
    messages_.push_back({std::move(role), std::move(content)});
  }
  /// Whether the model has said anything.
  bool isAnswered() const;
  void removeLast() { messages_.pop_back(); }
  /// The ids of everything so far and of the beginning of the model's answer.
  absl::StatusOr<std::vector<int32_t>> encode() const;

private:
  Conversation(const Tokenizer &tokenizer, ChatTemplate chatTemplate)
      : tokenizer_(&tokenizer), template_(std::move(chatTemplate)) {}

  const Tokenizer *tokenizer_;
  ChatTemplate template_;
  std::vector<ChatMessage> messages_;
};

} // namespace lamina::run

#endif // LAMINA_TOOLS_LAMINA_RUN_CONVERSATION_H
