//===- Assignment.h - options that take NAME=VALUE --------------------------------------------*- C++ -*-===//

#ifndef LAMINA_TOOLS_COMMON_ASSIGNMENT_H
#define LAMINA_TOOLS_COMMON_ASSIGNMENT_H

#include <CLI/CLI.hpp>

#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace lamina {

struct Assignment {
  std::string name, value;
};

/// Divided at the last '=', since names in ONNX files may have one; none if there is nothing on one of its sides.
inline std::optional<Assignment> parseAssignment(const std::string &text) {
  size_t equals = text.rfind('=');
  if (equals == std::string::npos || equals == 0 || equals + 1 == text.size())
    return std::nullopt;
  return Assignment{text.substr(0, equals), text.substr(equals + 1)};
}

/// A size in decimal digits; none if it is no number or negative.
inline std::optional<int64_t> parseSize(const std::string &text) {
  int64_t size = 0;
  auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), size);
  bool valid = error == std::errc() && end == text.data() + text.size() && size >= 0;
  return valid ? std::optional(size) : std::nullopt;
}

/// An option that may be repeated; `form` is what help and errors call it. `take` says whether it can use an assignment.
template <typename Take>
void addAssignments(CLI::App &app, const std::string &flag, const std::string &form,
                    const std::string &description, Take take) {
  auto each = [=](const std::vector<std::string> &texts) {
    for (const std::string &text : texts)
      if (std::optional<Assignment> given = parseAssignment(text); !given || !take(*given))
        throw CLI::ValidationError(flag, "expected " + form + ", got '" + text + "'");
  };
  app.add_option_function<std::vector<std::string>>(flag, each, description)
      ->expected(1)
      ->take_all()
      ->type_name(form);
}

} // namespace lamina

#endif // LAMINA_TOOLS_COMMON_ASSIGNMENT_H
