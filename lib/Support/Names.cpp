//===- Names.cpp - names from outside in messages -----------------------------------------------------===//

#include "lib/Support/Names.h"

#include "llvm/ADT/StringExtras.h"
#include "llvm/Support/Format.h"
#include "llvm/Support/raw_ostream.h"

using llvm::ArrayRef;
using llvm::StringRef;

namespace lamina {

std::string quoted(StringRef name) {
  constexpr size_t kLongest = 96;
  std::string text;
  llvm::raw_string_ostream out(text);
  out << '\'';
  llvm::printEscapedString(name.take_front(kLongest), out);
  out << (name.size() > kLongest ? "...'" : "'");
  return text;
}

std::string numberText(double value) {
  std::string text;
  llvm::raw_string_ostream(text) << llvm::format("%g", value);
  return text;
}

/// The candidate with the least edit distance from `name`; empty if none comes near (more than half of `name`
/// would have to change). Looks at the first few thousand candidates only, so that a hostile file costs no
/// time.
static StringRef nearestName(StringRef name, ArrayRef<StringRef> candidates) {
  // Edit distance costs the product of the lengths: no real name is longer than this, a hostile one may be.
  constexpr size_t kLongest = 128, kMostCandidates = 4096;
  if (name.size() > kLongest)
    return {};
  StringRef best;
  unsigned bestDistance = name.size() / 2 + 1;
  for (StringRef candidate : candidates.take_front(kMostCandidates)) {
    if (candidate.size() > kLongest)
      continue;
    unsigned distance = name.edit_distance(candidate, /*AllowReplacements=*/true, bestDistance);
    if (distance >= bestDistance)
      continue;
    best = candidate;
    bestDistance = distance;
  }
  return best;
}

std::string suggestion(StringRef name, ArrayRef<StringRef> candidates) {
  StringRef near = nearestName(name, candidates);
  return near.empty() ? std::string() : "; did you mean " + quoted(near) + "?";
}

} // namespace lamina
