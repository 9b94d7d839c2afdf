//===- TokenizerJsonFuzzer.cpp - any bytes as tokenizer.json --------------------------------------------===//
//
// What is before the first zero byte is tokenizer.json, what is behind it tokenizer_config.json. A tokenizer that is
// accepted encodes and decodes.
//
//===----------------------------------------------------------------------------------------------------===//

#include "runtime/tokenizer/Tokenizer.h"
#include "runtime/tokenizer/TokenizerJson.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t size) {
  using namespace lamina;
  std::string_view input(reinterpret_cast<const char *>(bytes), size);
  size_t end = std::min(input.find('\0'), size);
  std::string_view config = input.substr(std::min(end + 1, size));
  absl::StatusOr<TokenizerData> data = tokenizerDataFromJson(input.substr(0, end), config);
  if (!data.ok())
    return 0;
  absl::StatusOr<std::unique_ptr<Tokenizer>> tokenizer = Tokenizer::create(*std::move(data));
  if (!tokenizer.ok())
    return 0;
  if (auto ids = (*tokenizer)->encode(input.substr(0, 200), {.parseSpecial = true}); ids.ok())
    (void)(*tokenizer)->decode(*ids);
  return 0;
}
