//===- ContextBound.cpp - how long a sequence can be, and what to do about it -------------------------===//

#include "runtime/generate/ContextBound.h"

#include "runtime/base/StrCat.h"

#include <algorithm>

namespace lamina {

ContextBound::ContextBound(const RunnerLimits &limits)
    : limits_(limits), cacheTokens_(limits.pages * LAMINA_KV_PAGE_TOKENS),
      tokens_(std::min(limits.context, cacheTokens_)),
      modelEnds_(limits.trainedContext > 0 && tokens_ >= limits.trainedContext) {}

std::string ContextBound::text() const {
  return cacheTokens_ < limits_.context ? strCat("the KV cache holds ", tokens_, " tokens")
                                        : strCat("the compiled context is ", tokens_);
}

std::string ContextBound::options(int64_t wanted) const {
  std::string text;
  if (limits_.context < wanted)
    text = strCat("--max-context=", wanted);
  // Of an artifact whose cache holds a whole context the compiler sizes the next one by the new context.
  if (cacheTokens_ < limits_.context)
    text += strCat(text.empty() ? "" : " ", "--kv-tokens=", wanted);
  return text;
}

std::string ContextBound::advice(int64_t wanted) const {
  if (modelEnds_)
    return strCat("; the model itself ends at ", limits_.trainedContext, " tokens");
  if (limits_.trainedContext > 0 && wanted > limits_.trainedContext)
    return strCat("; the model itself ends at ", limits_.trainedContext, " tokens, for which compile with ",
                  options(limits_.trainedContext));
  return strCat(" or compile with ", options(wanted));
}

std::string ContextBound::fullText() const {
  bool cache = cacheTokens_ < limits_.context;
  return strCat("the ", cache ? "KV cache" : "context", " of ", tokens_, " tokens is full; ",
                modelEnds_ ? "the model itself ends there"
                : cache    ? "compile with a larger --kv-tokens to generate more"
                           : "compile with a larger --max-context to generate more");
}

} // namespace lamina
