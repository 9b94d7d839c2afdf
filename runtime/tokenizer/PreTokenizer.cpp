//===- PreTokenizer.cpp - splits text into words before BPE ---------------------------------------------===//

#include "runtime/tokenizer/PreTokenizer.h"

#include "runtime/base/StrCat.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <algorithm>

namespace lamina {

struct PreTokenizer::Pattern {
  struct Free {
    void operator()(pcre2_code *code) const { pcre2_code_free(code); }
  };
  std::unique_ptr<pcre2_code, Free> code;
};

PreTokenizer::PreTokenizer() = default;
PreTokenizer::PreTokenizer(PreTokenizer &&) noexcept = default;
PreTokenizer &PreTokenizer::operator=(PreTokenizer &&) noexcept = default;
PreTokenizer::~PreTokenizer() = default;

absl::StatusOr<PreTokenizer> PreTokenizer::create(const PreTokenizerSpec &spec) {
  return create(std::vector<std::string>(spec.patterns.begin(), spec.patterns.end()));
}

absl::StatusOr<PreTokenizer> PreTokenizer::create(std::span<const std::string> patterns) {
  PreTokenizer result;
  for (const std::string &text : patterns) {
    int error = 0;
    PCRE2_SIZE offset = 0;
    Pattern pattern;
    pattern.code.reset(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(text.data()), text.size(),
                                     PCRE2_UTF | PCRE2_UCP | PCRE2_DOLLAR_ENDONLY, &error, &offset, nullptr));
    if (!pattern.code)
      return absl::InvalidArgumentError(strCat("pre-tokenizer: the pattern ", quoteName(text),
                                               " does not compile at ", offset, " (PCRE2 error ", error,
                                               ")"));
    // Without a JIT (hardened kernels, unusual CPUs) the interpreter gives the same matches.
    pcre2_jit_compile(pattern.code.get(), PCRE2_JIT_COMPLETE);
    result.patterns_.push_back(std::move(pattern));
  }
  return result;
}

absl::Status PreTokenizer::splitPiece(const Pattern &pattern, std::string_view piece, void *match,
                                      std::vector<std::string_view> &out) const {
  auto *data = static_cast<pcre2_match_data *>(match);
  auto subject = reinterpret_cast<PCRE2_SPTR>(piece.data());
  size_t done = 0, start = 0;
  while (start < piece.size()) {
    int rc = pcre2_match(pattern.code.get(), subject, piece.size(), start, PCRE2_NO_UTF_CHECK, data, nullptr);
    // The JIT runs on 32 KiB of machine stack; the interpreter keeps its state on the heap.
    if (rc == PCRE2_ERROR_JIT_STACKLIMIT)
      rc = pcre2_match(pattern.code.get(), subject, piece.size(), start, PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT,
                       data, nullptr);
    if (rc == PCRE2_ERROR_NOMATCH)
      break;
    if (rc < 0)
      return absl::ResourceExhaustedError(
          strCat("pre-tokenizer gave up on the text around byte ", start, " (PCRE2 error ", rc, ")"));
    const PCRE2_SIZE *bounds = pcre2_get_ovector_pointer(data);
    if (bounds[0] > done)
      out.push_back(piece.substr(done, bounds[0] - done));
    if (bounds[1] > bounds[0])
      out.push_back(piece.substr(bounds[0], bounds[1] - bounds[0]));
    done = bounds[1];
    start = std::max<size_t>(bounds[1], start + 1);
  }
  if (done < piece.size())
    out.push_back(piece.substr(done));
  return absl::OkStatus();
}

absl::StatusOr<std::vector<std::string_view>> PreTokenizer::split(std::string_view text) const {
  std::vector<std::string_view> pieces{text}, next;
  if (text.empty())
    pieces.clear();
  std::unique_ptr<pcre2_match_data, void (*)(pcre2_match_data *)> match(pcre2_match_data_create(1, nullptr),
                                                                        pcre2_match_data_free);
  if (!match)
    return absl::ResourceExhaustedError("pre-tokenizer: out of memory");
  for (const Pattern &pattern : patterns_) {
    next.clear();
    for (std::string_view piece : pieces)
      LAMINA_RETURN_IF_ERROR(splitPiece(pattern, piece, match.get(), next));
    pieces.swap(next);
  }
  return pieces;
}

} // namespace lamina
