//===- CommandLines.h - --batch: many command lines in one process --------------------------*- C++ -*-===//

#ifndef LAMINA_TOOLS_COMMON_COMMANDLINES_H
#define LAMINA_TOOLS_COMMON_COMMANDLINES_H

#include <algorithm>
#include <fstream>
#include <iostream>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace lamina {

/// The words of a line: separated by spaces, except between double quotes. None if a quote is open at the end.
inline std::optional<std::vector<std::string>> wordsOf(const std::string &line) {
  std::vector<std::string> words;
  bool quoted = false, inWord = false;
  for (char c : line) {
    if (c == '"') {
      quoted = !quoted;
    } else if (!quoted && (c == ' ' || c == '\t' || c == '\r')) {
      inWord = false;
      continue;
    }
    if (!inWord)
      words.emplace_back();
    inWord = true;
    if (c != '"')
      words.back() += c;
  }
  return quoted ? std::nullopt : std::optional(std::move(words));
}

/// With the arguments `--batch FILE`: calls `run` for each line of the file that is neither empty nor begins with #, and returns
/// the greatest status. None for other arguments.
template <typename Run> std::optional<int> runCommandLines(int argc, const char *const *argv, Run run) {
  constexpr int kWrongCommandLine = 2;
  if (argc < 2 || std::string_view(argv[1]) != "--batch")
    return std::nullopt;
  std::ifstream file(argc == 3 ? argv[2] : "");
  if (!file) {
    std::cerr << "--batch: expected a file that can be read and nothing else\n";
    return kWrongCommandLine;
  }
  int worst = 0, number = 0;
  for (std::string line; std::getline(file, line);) {
    ++number;
    std::optional<std::vector<std::string>> words = wordsOf(line);
    if (!words) {
      std::cerr << argv[2] << ":" << number << ": a quote is not closed\n";
      worst = std::max(worst, kWrongCommandLine);
      continue;
    }
    if (words->empty() || words->front().starts_with('#'))
      continue;
    std::vector<const char *> arguments{argv[0]};
    for (const std::string &word : *words)
      arguments.push_back(word.c_str());
    arguments.push_back(nullptr);
    worst = std::max(worst, run(static_cast<int>(arguments.size() - 1), arguments.data()));
  }
  return worst;
}

} // namespace lamina

#endif // LAMINA_TOOLS_COMMON_COMMANDLINES_H
