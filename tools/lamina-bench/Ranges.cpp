//===- Ranges.cpp - lists of numbers on the command line ----------------------------------------------===//

#include "tools/lamina-bench/Ranges.h"

#include <charconv>

namespace lamina::bench {
namespace {

constexpr int64_t kLargest = int64_t(1) << 24;

bool take(std::string_view &text, char c) {
  if (!text.starts_with(c))
    return false;
  text.remove_prefix(1);
  return true;
}

bool takeNumber(std::string_view &text, int64_t &number) {
  uint32_t value; // unsigned: a sign is no part of a number
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || value > kLargest)
    return false;
  number = value;
  text.remove_prefix(static_cast<size_t>(end - text.data()));
  return true;
}

/// FIRST[-LAST[(+|*)STEP]]
bool takeRange(std::string_view &text, std::vector<int64_t> &numbers) {
  int64_t first, last, step = 1;
  if (!takeNumber(text, first))
    return false;
  last = first;
  bool multiply = false;
  if (take(text, '-')) {
    if (!takeNumber(text, last) || last < first)
      return false;
    multiply = text.starts_with('*');
    if ((take(text, '*') || take(text, '+')) && !takeNumber(text, step))
      return false;
  }
  for (int64_t i = first; i <= last;) {
    if (numbers.size() == size_t(kMostNumbers))
      return false;
    numbers.push_back(i);
    int64_t next = multiply ? i * step : i + step;
    if (next <= i)
      return false;
    i = next;
  }
  return true;
}

} // namespace

std::optional<std::vector<int64_t>> parseRanges(std::string_view text) {
  std::vector<int64_t> numbers;
  do {
    if (!takeRange(text, numbers))
      return std::nullopt;
  } while (take(text, ','));
  return text.empty() ? std::optional(std::move(numbers)) : std::nullopt;
}

} // namespace lamina::bench
