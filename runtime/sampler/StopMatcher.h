//===- StopMatcher.h - stop strings in streamed text ------------------------------------------*- C++ -*-===//
//
// Text goes in piece by piece and comes out as soon as it can no longer be part of a stop string, so that
// nothing of a stop string is ever shown. The stop string that begins first ends the text; of those beginning
// at one place the one that is complete first. One per generated sequence; not thread-safe.
//
//===----------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_RUNTIME_SAMPLER_STOPMATCHER_H
#define LAMINA_RUNTIME_SAMPLER_STOPMATCHER_H

#include <string>
#include <string_view>
#include <vector>

namespace lamina {

class StopMatcher {
public:
  /// Empty stop strings are ignored.
  explicit StopMatcher(std::vector<std::string> stops);
  StopMatcher(const StopMatcher &) = delete;
  StopMatcher &operator=(const StopMatcher &) = delete;

  /// The text that may be shown now. After a stop string was seen nothing comes out any more.
  std::string push(std::string_view text);

  /// What is still held back, for when no more text comes. It may turn out to end in a stop string: "b" in
  /// "ab" while "abc" was still possible.
  std::string finish();

  bool stopped() const { return stopped_ != nullptr; }

  /// The stop string that ended the text, or empty.
  std::string_view stopString() const { return stopped_ ? std::string_view(*stopped_) : std::string_view(); }

private:
  std::string release(bool more);

  std::vector<std::string> stops_;
  std::string held_; ///< what came in and was not shown
  const std::string *stopped_ = nullptr;
};

} // namespace lamina

#endif // LAMINA_RUNTIME_SAMPLER_STOPMATCHER_H
