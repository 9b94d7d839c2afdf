//===- ChatTemplateFuzzer.cpp - any bytes as a chat template --------------------------------------------===//

#include "runtime/tokenizer/ChatTemplate.h"

#include <nlohmann/json.hpp>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  absl::StatusOr<lamina::ChatTemplate> parsed =
      lamina::ChatTemplate::parse(std::string_view(reinterpret_cast<const char *>(bytes), size));
  if (!parsed.ok())
    return 0;
  static const nlohmann::ordered_json variables = {
      {"messages",
       {{{"role", "system"}, {"content", "s"}},
        {{"role", "user"}, {"content", "ż 😀"}},
        {{"role", "assistant"}, {"content", nullptr}, {"tool_calls", {{{"function", {{"name", "f"}}}}}}}}},
      {"add_generation_prompt", true},
      {"bos_token", "<s>"},
      {"tools", {{{"a", 1}, {"b", 2.5}, {"c", {1, 2, 3}}}}}};
  (void)parsed->render(variables, {.now = 0});
  return 0;
}
