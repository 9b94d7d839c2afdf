//===- ImportOptions.cpp - what all importers share ----------------------------------------------------===//

#include "lib/Import/ImportOptions.h"

#include "dialects/LM/IR/LM.h"

using namespace mlir;

namespace lamina {

Type cacheElementType(MLIRContext &context, CacheElement element) {
  switch (element) {
  case CacheElement::F32:
    return Float32Type::get(&context);
  case CacheElement::F16:
    return Float16Type::get(&context);
  case CacheElement::BF16:
    return BFloat16Type::get(&context);
  case CacheElement::FP8E4M3:
    return Float8E4M3FNType::get(&context);
  case CacheElement::Q8_0:
    return lm::BlockType::get(&context, "q8_0");
  }
  return {};
}

Location namedLoc(StringRef name, Location fileLoc) {
  return NameLoc::get(StringAttr::get(fileLoc.getContext(), name), fileLoc);
}

} // namespace lamina
