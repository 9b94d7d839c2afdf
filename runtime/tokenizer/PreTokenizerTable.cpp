//===- PreTokenizerTable.cpp - the split patterns, as data ----------------------------------------------===//
//
// A table. The patterns are facts of the tokenizers that their authors published (the "pre_tokenizer" entries
// of each tokenizer.json); the names are those that GGUF writers put into tokenizer.ggml.pre. Differences
// from the published text:
// `\s+$` is written without backtracking, and a trailing `|\s+` is spelled out.
//
//===----------------------------------------------------------------------------------------------------===//

#include "runtime/tokenizer/PreTokenizer.h"

#include "runtime/base/StrCat.h"

#include <algorithm>

namespace lamina {
namespace {

// clang-format off
#define CONTRACTION "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
#define NEWLINES_AND_SPACES "|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
#define GPT2 "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+"
#define UPPER "[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]"
#define LOWER "[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]"
// Words as in llama3, with `digits` deciding how numbers are grouped.
#define WORDS(digits) CONTRACTION "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|" digits \
    "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*" NEWLINES_AND_SPACES
// Words that also break between lower and upper case, as in o200k.
#define CASED_WORDS(suffix, digits) \
    "[^\\r\\n\\p{L}\\p{N}]?" UPPER "*" LOWER "+" suffix "|[^\\r\\n\\p{L}\\p{N}]?" UPPER "+" LOWER "*" suffix \
    "|" digits "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*" NEWLINES_AND_SPACES

// The cased letters that deepseek-llm lists one by one (\p{Lu}, \p{Ll}, \p{Lt} of an older Unicode version).
#define CASED_LETTERS \
    "A-Za-z\\x{00b5}\\x{00c0}-\\x{00d6}\\x{00d8}-\\x{00f6}\\x{00f8}-\\x{01ba}\\x{01bc}-\\x{01bf}" \
    "\\x{01c4}-\\x{0293}\\x{0295}-\\x{02af}\\x{0370}-\\x{0373}\\x{0376}\\x{0377}\\x{037b}-\\x{037d}" \
    "\\x{037f}\\x{0386}\\x{0388}-\\x{038a}\\x{038c}\\x{038e}-\\x{03a1}\\x{03a3}-\\x{03f5}" \
    "\\x{03f7}-\\x{0481}\\x{048a}-\\x{052f}\\x{0531}-\\x{0556}\\x{10a0}-\\x{10c5}\\x{13a0}-\\x{13f5}" \
    "\\x{13f8}-\\x{13fd}\\x{1c90}-\\x{1cba}\\x{1cbd}-\\x{1cbf}\\x{1d00}-\\x{1d2b}\\x{1d6b}-\\x{1d77}" \
    "\\x{1d79}-\\x{1d9a}\\x{1e00}-\\x{1f15}\\x{1f18}-\\x{1f1d}\\x{1f20}-\\x{1f45}\\x{1f48}-\\x{1f4d}" \
    "\\x{1f50}-\\x{1f57}\\x{1f59}\\x{1f5b}\\x{1f5d}\\x{1f5f}-\\x{1f7d}\\x{1f80}-\\x{1fb4}" \
    "\\x{1fb6}-\\x{1fbc}\\x{1fbe}\\x{1fc2}-\\x{1fc4}\\x{1fc6}-\\x{1fcc}\\x{1fd0}-\\x{1fd3}" \
    "\\x{1fd6}-\\x{1fdb}\\x{1fe0}-\\x{1fec}\\x{1ff2}-\\x{1ff4}\\x{1ff6}-\\x{1ffc}\\x{2102}\\x{2107}" \
    "\\x{210a}-\\x{2113}\\x{2115}\\x{2119}-\\x{211d}\\x{2124}\\x{2126}\\x{2128}\\x{212a}-\\x{212d}" \
    "\\x{212f}-\\x{2134}\\x{2139}\\x{213c}-\\x{213f}\\x{2145}-\\x{2149}\\x{214e}\\x{2183}\\x{2184}" \
    "\\x{2c00}-\\x{2c7b}\\x{2c7e}-\\x{2ce4}\\x{2ceb}-\\x{2cee}\\x{2cf2}\\x{2cf3}\\x{a640}-\\x{a66d}" \
    "\\x{a680}-\\x{a69b}\\x{a722}-\\x{a76f}\\x{a771}-\\x{a787}\\x{a78b}-\\x{a78e}\\x{ab70}-\\x{abbf}" \
    "\\x{fb00}-\\x{fb06}\\x{fb13}-\\x{fb17}\\x{ff21}-\\x{ff3a}\\x{ff41}-\\x{ff5a}\\x{10400}-\\x{1044f}" \
    "\\x{104b0}-\\x{104d3}\\x{104d8}-\\x{104fb}\\x{10c80}-\\x{10cb2}\\x{10cc0}-\\x{10cf2}" \
    "\\x{118a0}-\\x{118df}\\x{1e900}-\\x{1e943}"

#define DEEPSEEK_V3 \
    "\\p{N}{1,3}", "[\\x{4e00}-\\x{9fa5}\\x{3040}-\\x{309f}\\x{30a0}-\\x{30ff}]+", \
    "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+" \
    "| ?[\\p{P}\\p{S}]+[\\r\\n]*" NEWLINES_AND_SPACES

#define SPEC(id, names_, ...) \
    constexpr const char *id##Names[] = {names_}; \
    constexpr const char *id##Patterns[] = {__VA_ARGS__};
#define NAMES(...) __VA_ARGS__

SPEC(defaultPre, "default", "[\\p{P}\\$\\+<=>\\^~\\|]+", GPT2, "\\p{N}+", "[0-9][0-9][0-9]")
SPEC(llama3, NAMES("llama-bpe", "llama3", "llama-v3", "falcon3", "falcon-h1", "pixtral", "midm-2.0", "lfm2"),
     WORDS("\\p{N}{1,3}"))
SPEC(dbrx, NAMES("dbrx", "smaug-bpe", "glm4", "chatglm-bpe"), WORDS("\\p{N}{1,3}"))
SPEC(qwen2, NAMES("qwen2", "deepseek-r1-qwen", "stablelm2", "hunyuan", "solar-open", "megrez", "grok-2", "kormo"),
     WORDS("\\p{N}"))
SPEC(qwen35, "qwen35",
     CONTRACTION "|[^\\r\\n\\p{L}\\p{N}]?[\\p{L}\\p{M}]+|\\p{N}| ?[^\\s\\p{L}\\p{M}\\p{N}]+[\\r\\n]*" NEWLINES_AND_SPACES)
SPEC(gpt2, NAMES("gpt-2", "phi-2", "mpt", "olmo", "jais", "trillion", "granite-docling", "exaone4", "gigachat",
                 "a.x-4.0", "mellum", "modern-bert", "jina-es", "jina-de", "jina-v2-es", "jina-v2-de"),
     GPT2)
SPEC(starcoder, NAMES("starcoder", "refact", "command-r", "smollm", "codeshell", "exaone", "minerva-7b", "mellum2"),
     "\\p{N}", GPT2)
SPEC(falcon, "falcon", "[\\p{P}\\$\\+<=>\\^~\\|`]+", GPT2, "[0-9][0-9][0-9]")
SPEC(tekken, "tekken", CASED_WORDS("", "\\p{N}"))
SPEC(gpt4o, NAMES("gpt-4o", "llama4", "kanana2", "minimax-m2"), CASED_WORDS(CONTRACTION "?", "\\p{N}{1,3}"))
SPEC(deepseekLlm, "deepseek-llm", "[\\r\\n]", "\\s?[" CASED_LETTERS "]+",
     "\\s?[!-/:-~\\x{ff01}-\\x{ff0f}\\x{ff1a}-\\x{ff5e}\\x{2018}-\\x{201f}\\x{3000}-\\x{3002}]+",
     "(?<!\\s)\\s++$", "[\\x{4e00}-\\x{9fa5}\\x{0800}-\\x{4e00}\\x{ac00}-\\x{d7ff}]+", "\\p{N}+")
SPEC(deepseekCoder, "deepseek-coder", "[\\r\\n]", "\\s?\\p{L}+", "\\s?\\p{P}+",
     "[\\x{4e00}-\\x{9fa5}\\x{0800}-\\x{4e00}\\x{ac00}-\\x{d7ff}]+", "\\p{N}")
SPEC(deepseekV3, NAMES("deepseek-v3", "hunyuan-dense", "joyai-llm"), DEEPSEEK_V3)
SPEC(bloom, NAMES("bloom", "poro-chat", "gpt3-finnish"),
     " ?[^(\\s|.,!?\\x{2026}\\x{3002}\\x{ff0c}\\x{3001}\\x{0964}\\x{06d4}\\x{060c})]+")
SPEC(viking, "viking", " ?[^(\\s|.,!?\\x{2026}\\x{3002}\\x{ff0c}\\x{3001}\\x{0964}\\x{06d4}\\x{060c})]+", "\\p{N}")
SPEC(seedCoder, "seed-coder",
     CONTRACTION "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}\\r\\n]+" NEWLINES_AND_SPACES)
SPEC(bailingMoe, NAMES("bailingmoe", "bailingmoe2", "llada-moe"),
     "'(?i:[sdmt]|ll|ve|re)|[^\\r\\n\\p{L}\\p{N}]?+\\p{L}+|\\p{N}| ?[^\\s\\p{L}\\p{N}]++[\\r\\n]*"
     "|\\s*[\\r\\n]|\\s+(?!\\S)|\\s+")
// clang-format on

constexpr PreTokenizerSpec table[] = {
    {defaultPreNames, defaultPrePatterns},
    {llama3Names, llama3Patterns, /*ignoreMerges=*/true, /*addBos=*/true},
    {dbrxNames, dbrxPatterns},
    {qwen2Names, qwen2Patterns},
    {qwen35Names, qwen35Patterns},
    {gpt2Names, gpt2Patterns},
    {starcoderNames, starcoderPatterns},
    {falconNames, falconPatterns},
    {tekkenNames, tekkenPatterns, /*ignoreMerges=*/true, /*addBos=*/true},
    {gpt4oNames, gpt4oPatterns},
    {deepseekLlmNames, deepseekLlmPatterns},
    {deepseekCoderNames, deepseekCoderPatterns},
    {deepseekV3Names, deepseekV3Patterns},
    {bloomNames, bloomPatterns},
    {vikingNames, vikingPatterns},
    {seedCoderNames, seedCoderPatterns},
    {bailingMoeNames, bailingMoePatterns},
};

/// Edits between two short names.
size_t distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j)
    row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      size_t replaced = diagonal + (a[i - 1] != b[j - 1]);
      diagonal = row[j];
      row[j] = std::min({replaced, row[j] + 1, row[j - 1] + 1});
    }
  }
  return row[b.size()];
}

} // namespace

std::span<const PreTokenizerSpec> allPreTokenizers() { return table; }

absl::StatusOr<const PreTokenizerSpec *> findPreTokenizer(std::string_view name) {
  if (name.empty())
    name = "default";
  std::vector<std::pair<size_t, const char *>> near;
  for (const PreTokenizerSpec &spec : table)
    for (const char *candidate : spec.names) {
      if (name == candidate)
        return &spec;
      near.emplace_back(distance(name.substr(0, 64), candidate), candidate);
    }
  std::partial_sort(near.begin(), near.begin() + 3, near.end());
  return absl::UnimplementedError(strCat("unknown pre-tokenizer \"", name.substr(0, 64),
                                         "\" (tokenizer.ggml.pre); the nearest supported ones are ",
                                         near[0].second, ", ", near[1].second, " and ", near[2].second));
}

} // namespace lamina
