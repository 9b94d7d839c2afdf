//===- ChatTemplate.cpp - messages to prompt ------------------------------------------------------------===//

#include "runtime/tokenizer/ChatTemplate.h"

#include "runtime/base/StrCat.h"
#include "runtime/tokenizer/Tokenizer.h"
#include "runtime/tokenizer/jinja/Interpreter.h"

#include <nlohmann/json.hpp>

namespace lamina {

absl::StatusOr<ChatTemplate> ChatTemplate::parse(std::string_view source) {
  LAMINA_ASSIGN_OR_RETURN(jinja::Template parsed, jinja::parseTemplate(source));
  return ChatTemplate(std::make_shared<const jinja::Template>(std::move(parsed)));
}

absl::StatusOr<std::string> ChatTemplate::render(std::span<const ChatMessage> messages,
                                                 const Tokenizer &tokenizer,
                                                 const ChatTemplateOptions &options) const {
  nlohmann::ordered_json variables = nlohmann::ordered_json::object();
  nlohmann::ordered_json &list = variables["messages"] = nlohmann::ordered_json::array();
  for (const ChatMessage &message : messages)
    list.push_back({{"role", message.role}, {"content", message.content}});
  variables["add_generation_prompt"] = options.addGenerationPrompt;
  const TokenizerData &data = tokenizer.data();
  const std::pair<const char *, int32_t> tokens[] = {
      {"bos_token", data.bos}, {"eos_token", data.eos}, {"unk_token", data.unk}, {"pad_token", data.pad}};
  for (auto [name, id] : tokens)
    if (id != NoToken)
      variables[name] = std::string(tokenizer.decodePiece(id, {.renderSpecial = true}));
  return render(variables, options);
}

absl::StatusOr<std::string> ChatTemplate::render(const nlohmann::ordered_json &variables,
                                                 const ChatTemplateOptions &options) const {
  if (!variables.is_object())
    return absl::InvalidArgumentError("the variables of a chat template are no JSON object");
  jinja::Scope globals;
  for (auto entry = variables.begin(); entry != variables.end(); ++entry) {
    absl::StatusOr<jinja::Value> value = jinja::fromJson(entry.value());
    if (!value.ok())
      return absl::Status(value.status().code(),
                          toAbsl(strCat("variable ", entry.key(),
                                        " of the chat template: ", toStd(value.status().message()))));
    globals.set(entry.key(), *std::move(value));
  }
  return jinja::Interpreter(options.now).run(*parsed_, globals);
}

} // namespace lamina
