//===- WeightTable.cpp - tensors of a GGUF file as lm.weight symbols ----------------------------------===//

#include "lib/Import/GGUF/WeightTable.h"

#include "lib/Import/GGUF/Metadata.h"
#include "lib/Support/Names.h"

#include "mlir/IR/Diagnostics.h"
#include "llvm/ADT/STLExtras.h"
#include "llvm/ADT/StringExtras.h"

using namespace mlir;

namespace lamina {
namespace {

std::string shapeText(ArrayRef<int64_t> dims) {
  return "[" + llvm::join(llvm::map_range(dims, [](int64_t dim) { return std::to_string(dim); }), ", ") + "]";
}

bool hasDims(const GGUFTensor &tensor, ArrayRef<int64_t> dims) {
  for (size_t i = 0; i < tensor.dims.size(); ++i)
    if (tensor.dims[i] != uint64_t(i < dims.size() ? dims[i] : 1))
      return false;
  return true;
}

bool isPlainFloat(TensorType type) {
  return type == TensorType::F32 || type == TensorType::F16 || type == TensorType::BF16;
}

} // namespace

WeightTable::WeightTable(ModuleOp module, const GGUFReader &file)
    : file_(file), fileLoc_(module.getLoc()), builder_(module.getBodyRegion()), used_(file.tensors().size()) {
}

const GGUFTensor *WeightTable::find(StringRef tensor) const {
  return file_.findTensor(std::string_view(tensor.data(), tensor.size()));
}

int64_t WeightTable::rows(StringRef tensor) const {
  const GGUFTensor *found = find(tensor);
  return found ? int64_t(found->dims[1]) : 1;
}

void WeightTable::fail(StringRef tensor, const Twine &message) {
  if (failed_)
    return;
  failed_ = true;
  emitError(namedLoc(tensor, fileLoc_)) << "tensor " << quoted(tensor) << " " << message;
}

const GGUFTensor *WeightTable::take(StringRef name, ArrayRef<int64_t> dims) {
  known_.push_back(name.str());
  const GGUFTensor *tensor = find(name);
  if (!tensor) {
    if (missing_.empty())
      missing_ = name;
    return nullptr;
  }
  used_.set(tensor - file_.tensors().data());
  if (hasDims(*tensor, dims))
    return tensor;
  fail(name, "has shape " +
                 shapeText(SmallVector<int64_t>(tensor->dims.begin(), tensor->dims.begin() + tensor->rank)) +
                 ", expected " + shapeText(dims) + " (row length first)");
  return nullptr;
}

bool WeightTable::checkType(const GGUFTensor &tensor, bool isVector) {
  StringRef type = toRef(tensorTypeName(tensor.type));
  if (isVector && !isPlainFloat(tensor.type)) {
    fail(toRef(tensor.name), "has type " + type + ", expected F32, F16 or BF16");
    return false;
  }
  const BlockFormat &format = tensor.format();
  if (format.isPlain() && !isPlainFloat(tensor.type)) {
    fail(toRef(tensor.name), "has type " + type + ", expected F32, F16, BF16 or a block format");
    return false;
  }
  if (tensor.dims[0] % format.elements == 0)
    return true;
  fail(toRef(tensor.name), "has rows of " + std::to_string(tensor.dims[0]) +
                               " elements, expected a multiple of " + std::to_string(format.elements) +
                               " for type " + type);
  return false;
}

lm::SourceAttr WeightTable::source(const GGUFTensor &tensor, int64_t firstElement) {
  const BlockFormat &format = tensor.format();
  return lm::SourceAttr::get(builder_.getContext(), toRef(tensor.name), toRef(format.name).lower(),
                             tensor.part, tensor.offset + format.bytesOf(firstElement));
}

lm::WeightOp WeightTable::declare(const WeightRequest &request) {
  if (lm::WeightOp known = declared_.lookup(request.symbol))
    return known;
  bool isVector = request.shape.size() == 1;
  SmallVector<std::string, 1> names = request.tensors;
  if (names.empty())
    names.push_back(request.symbol);

  // What each tensor must look like in the file, the row first.
  SmallVector<int64_t> dims(llvm::reverse(request.shape));
  if (request.totalRows)
    dims.back() = request.totalRows;
  if (names.size() > 1)
    dims.pop_back(); // the leading dimension counts the tensors
  int64_t rowLength = isVector ? 1 : request.shape.back();

  SmallVector<Attribute> sources;
  std::optional<TensorType> type;
  for (StringRef name : names) {
    const GGUFTensor *tensor = take(name, dims);
    if (!tensor || !checkType(*tensor, isVector))
      return {};
    if (type && *type != tensor->type) {
      fail(name, "has type " + toRef(tensorTypeName(tensor->type)) + ", expected " +
                     toRef(tensorTypeName(*type)) + " as " + quoted(names.front()));
      return {};
    }
    type = tensor->type;
    sources.push_back(source(*tensor, request.firstRow * rowLength));
  }

  Type element = builder_.getF32Type();
  if (!isVector)
    element = lm::BlockType::get(builder_.getContext(), cast<lm::SourceAttr>(sources.front()).getFormat());
  IntegerAttr heads, length;
  if (request.ropeHeads) {
    heads = builder_.getI64IntegerAttr(request.ropeHeads);
    length = builder_.getI64IntegerAttr(request.ropeLength);
  }
  auto weight = lm::WeightOp::create(
      builder_, namedLoc(names.front(), fileLoc_), builder_.getStringAttr(request.symbol),
      TypeAttr::get(RankedTensorType::get(request.shape, element)), builder_.getArrayAttr(sources), heads,
      length, /*column_pitch=*/IntegerAttr());
  declared_[request.symbol] = weight;
  return weight;
}

SmallVector<float> WeightTable::values(StringRef name, int64_t length) {
  const GGUFTensor *tensor = take(name, length);
  if (!tensor || !checkType(*tensor, /*isVector=*/true))
    return {};
  absl::StatusOr<std::span<const uint8_t>> data = file_.data(*tensor);
  if (!data.ok()) {
    if (!failed_)
      emitError(namedLoc(name, fileLoc_)) << toRef(data.status().message());
    failed_ = true;
    return {};
  }
  SmallVector<float> result(length);
  dequantizeRow(tensor->format(), data->data(), length, result.data());
  return result;
}

void WeightTable::ignore(StringRef tensor) {
  if (const GGUFTensor *found = find(tensor))
    used_.set(found - file_.tensors().data());
}

bool WeightTable::finish() {
  if (!missing_.empty()) {
    SmallVector<StringRef> strangers;
    for (auto [index, tensor] : llvm::enumerate(file_.tensors()))
      if (!used_.test(index))
        strangers.push_back(toRef(tensor.name));
    fail(missing_, "is missing" + suggestion(missing_, strangers));
  } else if (int unused = used_.find_first_unset(); unused >= 0) {
    StringRef name = toRef(file_.tensors()[unused].name);
    SmallVector<StringRef> known(known_.begin(), known_.end());
    fail(name, "is not part of this architecture and may change results" + suggestion(name, known));
  }
  return !failed_;
}

} // namespace lamina
