//===- LMDialect.cpp - registration, types and attributes of the lm dialect -----------------------------------===//

#include "dialects/LM/IR/LM.h"

#include "mlir/IR/Builders.h"
#include "mlir/IR/DialectImplementation.h"
#include "llvm/ADT/TypeSwitch.h"

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

LogicalResult KVCacheType::verify(function_ref<InFlightDiagnostic()> emitError, int64_t heads, int64_t keyLength,
                                  int64_t valueLength, Type elementType) {
  if (heads <= 0 || keyLength <= 0 || valueLength <= 0)
    return emitError() << "expected positive heads and lengths, got: " << heads << " x " << keyLength << " x "
                       << valueLength;
  if (!elementType.isF32() && !elementType.isF16())
    return emitError() << "expected cache elements of f32 or f16, got: " << elementType;
  return success();
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
  printer << "<\"" << getTensor() << "\" : " << getFormat() << ", " << getPart() << " at " << getOffset() << ">";
}
