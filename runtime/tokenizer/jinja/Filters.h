//===- Filters.h - the tables of filters ------------------------------------------------------*- C++ -*-===//
//
// Filters.cpp holds those on single values, SequenceFilters.cpp those on lists and dicts. Internal to the
// jinja folder.
//
//===----------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_RUNTIME_TOKENIZER_JINJA_FILTERS_H
#define LAMINA_RUNTIME_TOKENIZER_JINJA_FILTERS_H

#include "runtime/tokenizer/jinja/Builtins.h"

namespace lamina::jinja {

struct NamedFilter {
  std::string_view name;
  absl::StatusOr<Value> (*apply)(const Value &input, const Arguments &arguments, Budget &budget);
};

std::span<const NamedFilter> sequenceFilters();

} // namespace lamina::jinja

#endif // LAMINA_RUNTIME_TOKENIZER_JINJA_FILTERS_H
