//===- ChatTemplate.h - messages to prompt ----------------------------------------------------*- C++ -*-===//
//
// Runs the chat template of a model: a documented subset of Jinja (docs/formats/chat-template.md) with the
// meaning that it has in Python with trim_blocks and lstrip_blocks. What is not in the subset is an error
// that names the construct, the line and the column; nothing is ignored. Templates come with models and are
// untrusted: work, memory, output and nesting are bounded, and a template reaches nothing but the variables
// it is given.
//
//===----------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_RUNTIME_TOKENIZER_CHATTEMPLATE_H
#define LAMINA_RUNTIME_TOKENIZER_CHATTEMPLATE_H

#include "runtime/base/Status.h"

#include <nlohmann/json_fwd.hpp>

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace lamina {

class Tokenizer;

namespace jinja {
struct Template;
}

struct ChatMessage {
  std::string role; ///< "system", "user", "assistant", ...
  std::string content;
};

struct ChatTemplateOptions {
  bool addGenerationPrompt = true; ///< end with the beginning of the assistant's answer
  /// Seconds since 1970 UTC for strftime_now(). Absent: the function is not defined and templates use the
  /// date that they fall back to, so that a prompt depends on nothing but its input.
  std::optional<int64_t> now;
};

/// A parsed template; immutable and thread-safe.
class ChatTemplate {
public:
  static absl::StatusOr<ChatTemplate> parse(std::string_view source);

  /// The prompt for plain messages. Defines messages, add_generation_prompt and, where the vocabulary has
  /// them, bos_token, eos_token, unk_token and pad_token. The result contains special tokens as text: encode
  /// it with parseSpecial, and without addSpecial if it starts with the bos token.
  absl::StatusOr<std::string> render(std::span<const ChatMessage> messages, const Tokenizer &tokenizer,
                                     const ChatTemplateOptions &options = {}) const;

  /// The text for any variables; `variables` is an object that also says add_generation_prompt. Of `options`
  /// only `now` counts.
  absl::StatusOr<std::string> render(const nlohmann::ordered_json &variables,
                                     const ChatTemplateOptions &options = {}) const;

private:
  explicit ChatTemplate(std::shared_ptr<const jinja::Template> parsed) : parsed_(std::move(parsed)) {}

  std::shared_ptr<const jinja::Template> parsed_;
};

} // namespace lamina

#endif // LAMINA_RUNTIME_TOKENIZER_CHATTEMPLATE_H
