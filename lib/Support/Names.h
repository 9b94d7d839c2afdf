//===- Names.h - names from outside in messages ---------------------------------------------*- C++ -*-===//
//
// Names read from files are hostile text: any length, any bytes. These functions bring them into messages.
// Pure.
//
//===--------------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_LIB_SUPPORT_NAMES_H
#define LAMINA_LIB_SUPPORT_NAMES_H

#include "llvm/ADT/ArrayRef.h"
#include "llvm/ADT/StringRef.h"

#include <string>

namespace lamina {

/// A view of any string type's characters: std::string_view, absl::string_view.
template <typename String> llvm::StringRef toRef(const String &text) { return {text.data(), text.size()}; }

/// `name` in single quotes on one line: control characters and non-ASCII bytes escaped, cut after 96
/// characters.
std::string quoted(llvm::StringRef name);

/// Like C's %g: "6", "0.5", "1e-05".
std::string numberText(double value);

/// "; did you mean 'x'?", or nothing if no candidate comes near.
std::string suggestion(llvm::StringRef name, llvm::ArrayRef<llvm::StringRef> candidates);

} // namespace lamina

#endif // LAMINA_LIB_SUPPORT_NAMES_H
