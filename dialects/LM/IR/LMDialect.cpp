//===- LMDialect.cpp - registration, types and attributes of the lm dialect -----------------------------------===//

#include "dialects/LM/IR/LM.h"

#include "runtime/device/KernelABI.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/TypeSwitch.h"
#include "llvm/Support/MathExtras.h"

using namespace mlir;
using namespace lamina::lm;

#include "dialects/LM/IR/LMDialect.cpp.inc"
#include "dialects/LM/IR/LMEnums.cpp.inc"
#include "dialects/LM/IR/LMInterfaces.cpp.inc"

#define GET_TYPEDEF_CLASSES
#include "dialects/LM/IR/LMTypes.cpp.inc"

#define GET_ATTRDEF_CLASSES
#include "dialects/LM/IR/LMAttrs.cpp.inc"

void LMDialect::initialize() {
  addTypes<
#define GET_TYPEDEF_LIST
#include "dialects/LM/IR/LMTypes.cpp.inc"
      >();
  addAttributes<
#define GET_ATTRDEF_LIST
#include "dialects/LM/IR/LMAttrs.cpp.inc"
      >();
  addOperations<
#define GET_OP_LIST
#include "dialects/LM/IR/LMOps.cpp.inc"
      >();
}

//===--- Types ------------------------------------------------------------------------------------------------===//

Type BlockType::parse(AsmParser &parser) {
  std::string format;
  if (parser.parseLess() || parser.parseKeywordOrString(&format) || parser.parseGreater())
    return {};
  return get(parser.getContext(), format);
}

void BlockType::print(AsmPrinter &printer) const { printer << "<" << getFormat() << ">"; }

/// Heads, and elements of one: so that products of both are far from overflow.
static constexpr int64_t kMostOfCache = 1 << 16;

LogicalResult KVCacheType::verify(function_ref<InFlightDiagnostic()> emitError, int64_t heads,
                                  int64_t keyLength, int64_t valueLength, Type elementType) {
  if (heads <= 0 || keyLength <= 0 || valueLength <= 0)
    return emitError() << "expected positive heads and lengths, got: " << heads << " x " << keyLength << " x "
                       << valueLength;
  if (heads > kMostOfCache || keyLength > kMostOfCache || valueLength > kMostOfCache)
    return emitError() << "expected at most " << kMostOfCache
                       << " heads and elements of a head, got: " << heads << " x " << keyLength << " x "
                       << valueLength;
  if (auto block = dyn_cast<BlockType>(elementType); block && block.getFormat() == "q8_0") {
    if (keyLength % kBlockElements != 0 || valueLength % kBlockElements != 0)
      return emitError() << "expected keys and values of whole blocks of " << kBlockElements
                         << " elements in a cache of q8_0, got: " << keyLength << " and " << valueLength;
    return success();
  }
  if (!isa<Float32Type, Float16Type, BFloat16Type, Float8E4M3FNType>(elementType))
    return emitError() << "expected cache elements of f32, f16, bf16, f8E4M3FN or !lm.block<q8_0>, got: "
                       << elementType;
  return success();
}

StringRef KVCacheType::getElementName() const {
  Type element = getElementType();
  return llvm::TypeSwitch<Type, StringRef>(element)
      .Case([](Float32Type) { return "f32"; })
      .Case([](Float16Type) { return "f16"; })
      .Case([](BFloat16Type) { return "bf16"; })
      .Case([](Float8E4M3FNType) { return "fp8_e4m3"; })
      .Default([](Type) { return "q8_0"; });
}

int64_t KVCacheType::getPageBytes() const {
  constexpr int64_t kScaleBytes = 2;
  int64_t elements = getKeyLength() + llvm::alignTo(getValueLength(), LAMINA_ROW_PADDING);
  int64_t bytes = hasBlocks() ? elements + elements / kBlockElements * kScaleBytes
                              : elements * getElementType().getIntOrFloatBitWidth() / 8;
  return llvm::alignTo(getHeads() * LAMINA_KV_PAGE_TOKENS * bytes, LAMINA_BUFFER_ALIGNMENT);
}

//===--- Attributes -------------------------------------------------------------------------------------------===//

Attribute SourceAttr::parse(AsmParser &parser, Type) {
  std::string tensor, format;
  int64_t part = 0, offset = 0;
  if (parser.parseLess() || parser.parseString(&tensor) || parser.parseColon() ||
      parser.parseKeywordOrString(&format) || parser.parseComma() || parser.parseInteger(part) ||
      parser.parseKeyword("at") || parser.parseInteger(offset) || parser.parseGreater())
    return {};
  return get(parser.getContext(), tensor, format, part, offset);
}

void SourceAttr::print(AsmPrinter &printer) const {
  printer << "<\"" << getTensor() << "\" : " << getFormat() << ", " << getPart() << " at " << getOffset()
          << ">";
}
