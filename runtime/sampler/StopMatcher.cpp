//===- StopMatcher.cpp - stop strings in streamed text --------------------------------------------------===//

#include "runtime/sampler/StopMatcher.h"

#include <algorithm>
#include <utility>

namespace lamina {

StopMatcher::StopMatcher(std::vector<std::string> stops) : stops_(std::move(stops)) {
  std::erase_if(stops_, [](const std::string &stop) { return stop.empty(); });
  // At one place the shorter string is complete first.
  std::sort(stops_.begin(), stops_.end(),
            [](const std::string &a, const std::string &b) { return a.size() < b.size(); });
}

std::string StopMatcher::push(std::string_view text) {
  if (!stopped_)
    held_ += text;
  return release(/*more=*/true);
}

std::string StopMatcher::finish() { return release(/*more=*/false); }

std::string StopMatcher::release(bool more) {
  for (size_t at = 0; at < held_.size(); ++at) {
    std::string_view rest = std::string_view(held_).substr(at);
    bool possible = false;
    for (const std::string &stop : stops_) {
      if (rest.starts_with(stop)) {
        stopped_ = &stop;
        held_.resize(at);
        return std::exchange(held_, std::string());
      }
      possible |= more && std::string_view(stop).starts_with(rest);
    }
    if (possible) {
      std::string shown = held_.substr(0, at);
      held_.erase(0, at);
      return shown;
    }
  }
  return std::exchange(held_, std::string());
}

} // namespace lamina
