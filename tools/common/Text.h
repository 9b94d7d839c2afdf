//===- Text.h - numbers and JSON as the tools print them ------------------------------------*- C++ -*-===//

#ifndef LAMINA_TOOLS_COMMON_TEXT_H
#define LAMINA_TOOLS_COMMON_TEXT_H

#include <nlohmann/json_fwd.hpp>

#include <cstdint>
#include <string>

namespace lamina {

/// "1.5 MiB".
std::string bytesText(double bytes);
/// "1.10 billion".
std::string countText(uint64_t count);
/// Text that may not be UTF-8 becomes U+FFFD there; one line.
std::string dumpLine(const nlohmann::ordered_json &json);

/// Tokens per second; 0 if no time passed.
double perSecond(int64_t tokens, double milliseconds);

} // namespace lamina

#endif // LAMINA_TOOLS_COMMON_TEXT_H
