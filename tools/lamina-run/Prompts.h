//===- Prompts.h - prompts from the command line, files and standard input ------------------*- C++ -*-===//

#ifndef LAMINA_TOOLS_LAMINA_RUN_PROMPTS_H
#define LAMINA_TOOLS_LAMINA_RUN_PROMPTS_H

#include "runtime/base/Status.h"

#include <string>
#include <vector>

namespace lamina::run {

/// What --prompt stands for: "-" for all of standard input, all else for itself.
absl::StatusOr<std::string> promptText(const std::string &prompt);

/// The lines of a --prompt-file, empty ones too; "-" is standard input.
absl::StatusOr<std::vector<std::string>> promptLines(const std::string &file);

} // namespace lamina::run

#endif // LAMINA_TOOLS_LAMINA_RUN_PROMPTS_H
