//===- Text.cpp - numbers and JSON as the tools print them --------------------------------------------===//

#include "tools/common/Text.h"

#include <nlohmann/json.hpp>

#include <cstdio>

namespace lamina {

std::string bytesText(double bytes) {
  static constexpr const char *units[] = {"bytes", "KiB", "MiB", "GiB", "TiB"};
  size_t unit = 0;
  for (; bytes >= 1024 && unit + 1 < std::size(units); ++unit)
    bytes /= 1024;
  char text[64];
  std::snprintf(text, sizeof(text), unit == 0 || bytes >= 100 ? "%.0f %s" : "%.1f %s", bytes, units[unit]);
  return text;
}

std::string countText(uint64_t count) {
  char text[64];
  if (count >= 1000000000)
    std::snprintf(text, sizeof(text), "%.2f billion", static_cast<double>(count) * 1e-9);
  else if (count >= 1000000)
    std::snprintf(text, sizeof(text), "%.1f million", static_cast<double>(count) * 1e-6);
  else if (count >= 10000)
    std::snprintf(text, sizeof(text), "%.0f thousand", static_cast<double>(count) * 1e-3);
  else
    std::snprintf(text, sizeof(text), "%llu", static_cast<unsigned long long>(count));
  return text;
}

std::string dumpLine(const nlohmann::ordered_json &json) {
  return json.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

double perSecond(int64_t tokens, double milliseconds) {
  return milliseconds > 0 ? static_cast<double>(tokens) * 1000 / milliseconds : 0;
}

} // namespace lamina
