//===- Prompts.cpp - prompts from the command line, files and standard input --------------------------===//

#include "tools/lamina-run/Prompts.h"

#include "runtime/base/MappedFile.h"
#include "runtime/base/StrCat.h"

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <string_view>

namespace lamina::run {
namespace {

constexpr char kStandardInput[] = "-";

std::vector<std::string> linesOf(std::string_view text) {
  std::vector<std::string> lines;
  while (!text.empty()) {
    std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(text.size(), line.size() + 1));
    if (line.ends_with('\r'))
      line.remove_suffix(1);
    lines.emplace_back(line);
  }
  return lines;
}

absl::StatusOr<std::string> readStandardInput() {
  std::string text;
  char buffer[65536];
  while (size_t count = std::fread(buffer, 1, sizeof(buffer), stdin))
    text.append(buffer, count);
  if (std::ferror(stdin))
    return absl::UnavailableError(strCat("cannot read standard input: ", std::strerror(errno)));
  return text;
}

} // namespace

absl::StatusOr<std::string> promptText(const std::string &prompt) {
  if (prompt == kStandardInput)
    return readStandardInput();
  return prompt;
}

absl::StatusOr<std::vector<std::string>> promptLines(const std::string &file) {
  if (file == kStandardInput) {
    LAMINA_ASSIGN_OR_RETURN(std::string text, readStandardInput());
    return linesOf(text);
  }
  LAMINA_ASSIGN_OR_RETURN(MappedFile mapped, MappedFile::open(file));
  return linesOf({reinterpret_cast<const char *>(mapped.data()), mapped.size()});
}

} // namespace lamina::run
