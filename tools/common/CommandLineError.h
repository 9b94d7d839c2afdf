//===- CommandLineError.h - what is wrong with a command line, in one line ------------------*- C++ -*-===//

#ifndef LAMINA_TOOLS_COMMON_COMMANDLINEERROR_H
#define LAMINA_TOOLS_COMMON_COMMANDLINEERROR_H

#include <CLI/CLI.hpp>

#include <string>

namespace lamina {

/// What CLI11 found. Of words that nothing knows it names the first alone: the others often belong to that one.
inline std::string commandLineError(const CLI::App &app, const CLI::ParseError &error) {
  if (error.get_exit_code() != static_cast<int>(CLI::ExitCodes::ExtrasError) || app.remaining().empty())
    return error.what();
  std::string word = app.remaining().front();
  return word.starts_with("-") ? "there is no option '" + word + "'"
                               : "'" + word + "' is one argument too many";
}

} // namespace lamina

#endif // LAMINA_TOOLS_COMMON_COMMANDLINEERROR_H
