//===- TextSteps.cpp - what a Hugging Face tokenizer does to text before BPE ----------------------------===//

#include "runtime/tokenizer/TextSteps.h"

#include "runtime/tokenizer/PreTokenizer.h"

#include "absl/strings/ascii.h"

#include <algorithm>

namespace lamina {
namespace {

constexpr std::string_view kSpace = "\u2581"; ///< of SentencePiece

absl::Status unsupported(const char *what, const std::string &why) {
  return absl::UnimplementedError(strCat("tokenizer.json: ", what, " ", why, " is not supported"));
}

std::string typeOf(const Json &step) { return textOr(step, "type", "without a type"); }

/// The text that a step looks for, if it is no regular expression.
std::string searchedText(const Json &step) {
  const Json *pattern = member(step, "pattern");
  return pattern ? textOr(*pattern, "String", "") : "";
}

//===--- Byte-level --------------------------------------------------------------------------------------===//

std::string literally(std::string_view text) {
  std::string pattern;
  for (char c : text) {
    if (absl::ascii_isascii(static_cast<unsigned char>(c)) &&
        absl::ascii_ispunct(static_cast<unsigned char>(c)))
      pattern += '\\';
    pattern += c;
  }
  return pattern;
}

/// Matches become pieces, and so does what is between them.
absl::Status readSplit(const Json &step, TokenizerData &data) {
  std::string behavior = textOr(step, "behavior", "");
  bool invert = flagOr(step, "invert", false);
  const Json *pattern = member(step, "pattern");
  std::string regex = pattern ? textOr(*pattern, "Regex", "") : "";
  if (regex.empty())
    regex = literally(searchedText(step));
  // Where a pattern covers every text, dropping what does not match drops nothing.
  if (regex.empty() || !(behavior == "Isolated" || (behavior == "Removed" && invert)))
    return unsupported("pre_tokenizer", strCat("Split of behavior ", quoteName(behavior)));
  // The same without backtracking, which takes quadratic time in runs of spaces.
  data.patterns.push_back(regex == "\\s+$" ? "(?<!\\s)\\s++$" : regex);
  return absl::OkStatus();
}

absl::Status readByteLevel(const std::vector<const Json *> &normalizers,
                           const std::vector<const Json *> &steps, TokenizerData &data) {
  data.model = "gpt2";
  for (const Json *step : normalizers)
    if (typeOf(*step) != "NFC")
      return unsupported("normalizer", quoteName(typeOf(*step)));
  data.composes = !normalizers.empty();
  for (const Json *step : steps) {
    std::string type = typeOf(*step);
    if (type == "Split") {
      LAMINA_RETURN_IF_ERROR(readSplit(*step, data));
    } else if (type == "Digits") {
      data.patterns.push_back(flagOr(*step, "individual_digits", false) ? "\\p{N}" : "\\p{N}+");
    } else if (type == "ByteLevel") {
      if (flagOr(*step, "add_prefix_space", false))
        return unsupported("pre_tokenizer", "ByteLevel with add_prefix_space");
      if (flagOr(*step, "use_regex", true))
        data.patterns.push_back((*findPreTokenizer("gpt-2"))->patterns[0]);
    } else {
      return unsupported("pre_tokenizer", quoteName(type));
    }
  }
  if (data.patterns.empty()) // all of the text is one word
    data.patterns.push_back("(?s).+");
  return absl::OkStatus();
}

//===--- Made from SentencePiece -------------------------------------------------------------------------===//

absl::Status readMetaspace(const Json &step, TokenizerData &data) {
  std::string scheme = textOr(step, "prepend_scheme", "always");
  if (textOr(step, "replacement", "") != kSpace || flagOr(step, "split", true) ||
      (scheme != "first" && scheme != "never"))
    return unsupported("pre_tokenizer", "Metaspace that splits or that prepends always");
  data.addSpacePrefix = data.spacePrefixOnce = scheme == "first";
  return absl::OkStatus();
}

absl::Status readSentencePiece(const std::vector<const Json *> &normalizers,
                               const std::vector<const Json *> &steps, TokenizerData &data) {
  data.model = "llama";
  bool replaces = false;
  for (const Json *step : normalizers) {
    std::string type = typeOf(*step);
    if (type == "Prepend" && textOr(*step, "prepend", "") == kSpace && !data.addSpacePrefix)
      data.addSpacePrefix = true;
    else if (type == "Replace" && searchedText(*step) == " " && textOr(*step, "content", "") == kSpace)
      replaces = true;
    else
      return unsupported("normalizer", quoteName(type));
  }
  for (const Json *step : steps) {
    std::string type = typeOf(*step);
    // No spaces are left to split at where they were replaced.
    if (type == "Split" && searchedText(*step) == " " && replaces)
      continue;
    if (type != "Metaspace" || !normalizers.empty())
      return unsupported("pre_tokenizer", quoteName(type));
    LAMINA_RETURN_IF_ERROR(readMetaspace(*step, data));
    replaces = true;
  }
  if (!replaces)
    return unsupported("BPE", strCat("that is neither byte-level nor replaces spaces by ", kSpace));
  return absl::OkStatus();
}

} // namespace

std::vector<const Json *> stepsOf(const Json *step, const char *key) {
  if (!step)
    return {};
  if (textOr(*step, "type", "") != "Sequence")
    return {step};
  std::vector<const Json *> steps;
  if (const Json *several = member(*step, key); several && several->is_array())
    for (const Json &one : *several)
      steps.push_back(&one);
  return steps;
}

absl::Status readTextSteps(const Json &tokenizer, TokenizerData &data) {
  auto normalizers = stepsOf(member(tokenizer, "normalizer"), "normalizers");
  auto steps = stepsOf(member(tokenizer, "pre_tokenizer"), "pretokenizers");
  bool bytes =
      std::any_of(steps.begin(), steps.end(), [](const Json *step) { return typeOf(*step) == "ByteLevel"; });
  return bytes ? readByteLevel(normalizers, steps, data) : readSentencePiece(normalizers, steps, data);
}

} // namespace lamina
