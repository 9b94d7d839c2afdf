//===- Tensor.cpp - elements of every type --------------------------------------------------------------===//

#include "lib/Import/ONNX/Tensor.h"

#include "lib/Import/ONNX/Minifloat.h"
#include "runtime/base/Float16.h"
#include "runtime/base/StrCat.h"

#include "absl/strings/str_join.h"

#include <cmath>
#include <limits>

namespace lamina::onnx {

size_t elementBytes(ElementType type) {
  bool complex = type == ElementType::Complex64 || type == ElementType::Complex128;
  return complex ? 0 : (elementBits(type) + 7) / 8;
}

bool isReal(ElementType type) {
  return type == ElementType::Float || type == ElementType::Double || type == ElementType::Float16 ||
         type == ElementType::BFloat16 || isMinifloat(type);
}

bool isInteger(ElementType type) { return elementBytes(type) > 0 && !isReal(type); }

bool isSigned(ElementType type) {
  return type == ElementType::Int64 || type == ElementType::Int32 || type == ElementType::Int16 ||
         type == ElementType::Int8 || type == ElementType::Int4 || type == ElementType::Int2;
}

std::pair<int64_t, int64_t> integerRange(ElementType type) {
  unsigned bits = type == ElementType::Bool ? 1 : elementBits(type);
  if (isSigned(type))
    return {-(uint64_t{1} << (bits - 1)), (uint64_t{1} << (bits - 1)) - 1};
  return {0, static_cast<int64_t>(~uint64_t{0} >> (64 - bits))};
}

int64_t elementCount(std::span<const int64_t> dims) {
  int64_t count = 1;
  bool overflow = false;
  for (int64_t size : dims) {
    if (size == 0)
      return 0;
    overflow |= __builtin_mul_overflow(count, size, &count);
  }
  return overflow ? std::numeric_limits<int64_t>::max() : count;
}

std::string describe(ElementType type, const Dims &dims) {
  return strCat(elementTypeName(type), "[", absl::StrJoin(dims, ", "), "]");
}

absl::StatusOr<Tensor> Tensor::fromFile(ElementType type, Dims dims, std::span<const uint8_t> encoded) {
  Tensor tensor(type, std::move(dims));
  if (elementBytes(type) == 0)
    return absl::UnimplementedError(
        strCat("nothing is computed with elements of type ", elementTypeName(type)));
  uint64_t bits = elementBits(type);
  if (tensorBytes(type, tensor.count_) != encoded.size())
    return absl::InvalidArgumentError(
        strCat(tensor.describe(), " does not fit its ", encoded.size(), " bytes"));
  if (bits >= 8) {
    static constexpr uint8_t kNothing = 0;
    tensor.data_ = encoded.empty() ? &kNothing : encoded.data();
    return tensor;
  }
  tensor.allocate();
  for (uint64_t i = 0; i < static_cast<uint64_t>(tensor.count_); ++i) {
    uint64_t first = i * bits, shift = first % 8;
    unsigned window = encoded[first / 8] | (shift + bits > 8 ? encoded[first / 8 + 1] << 8 : 0);
    uint8_t code = (window >> shift) & ((1 << bits) - 1);
    if (isSigned(type) && code >> (bits - 1))
      code |= 0xFF << bits;
    (*tensor.owned_)[i] = code;
  }
  return tensor;
}

std::string Tensor::toFile() const {
  uint64_t bits = elementBits(type_);
  if (bits >= 8)
    return std::string(reinterpret_cast<const char *>(data_), bytes().size());
  std::string packed((count_ * bits + 7) / 8, '\0');
  for (uint64_t i = 0; i < static_cast<uint64_t>(count_); ++i) {
    uint64_t first = i * bits, shift = first % 8;
    unsigned window = (data_[i] & ((1u << bits) - 1)) << shift;
    packed[first / 8] = static_cast<char>(packed[first / 8] | window);
    if (shift + bits > 8)
      packed[first / 8 + 1] = static_cast<char>(packed[first / 8 + 1] | window >> 8);
  }
  return packed;
}

Tensor Tensor::ofIntegers(std::span<const int64_t> values, Dims dims, ElementType type) {
  Tensor tensor(type, std::move(dims));
  tensor.allocate();
  tensor.setIntegers(values);
  return tensor;
}

Tensor Tensor::ofReals(std::span<const double> values, Dims dims, ElementType type) {
  Tensor tensor(type, std::move(dims));
  tensor.allocate();
  tensor.setReals(values);
  return tensor;
}

Tensor Tensor::reshaped(Dims dims) const {
  Tensor result = *this;
  result.dims_ = std::move(dims);
  return result;
}

void Tensor::allocate() {
  owned_ = std::make_shared<std::vector<uint8_t>>(count_ * elementBytes(type_) + 1);
  data_ = owned_->data();
}

double Tensor::real(int64_t i) const {
  switch (type_) {
  case ElementType::Float:
    return load<float>(i);
  case ElementType::Double:
    return load<double>(i);
  case ElementType::Float16:
    return halfToFloat(load<uint16_t>(i));
  case ElementType::BFloat16:
    return bfloat16ToFloat(load<uint16_t>(i));
  case ElementType::UInt64:
    return static_cast<double>(load<uint64_t>(i));
  default:
    return isMinifloat(type_) ? decodeMinifloat(type_, data_[i]) : static_cast<double>(integer(i));
  }
}

int64_t Tensor::integer(int64_t i) const {
  switch (type_) {
  case ElementType::Int64:
  case ElementType::UInt64:
    return load<int64_t>(i);
  case ElementType::Int32:
    return load<int32_t>(i);
  case ElementType::UInt32:
    return load<uint32_t>(i);
  case ElementType::Int16:
    return load<int16_t>(i);
  case ElementType::UInt16:
    return load<uint16_t>(i);
  case ElementType::Int8:
  case ElementType::Int4:
  case ElementType::Int2:
    return load<int8_t>(i);
  default:
    return isReal(type_) ? truncateToInteger(real(i)) : data_[i];
  }
}

std::vector<double> Tensor::reals() const {
  std::vector<double> values(count_);
  for (int64_t i = 0; i < count_; ++i)
    values[i] = real(i);
  return values;
}

std::vector<int64_t> Tensor::integers() const {
  std::vector<int64_t> values(count_);
  for (int64_t i = 0; i < count_; ++i)
    values[i] = integer(i);
  return values;
}

bool Tensor::less(int64_t a, int64_t b) const {
  if (isReal(type_))
    return real(a) < real(b);
  if (type_ == ElementType::UInt64)
    return load<uint64_t>(a) < load<uint64_t>(b);
  return integer(a) < integer(b);
}

void Tensor::setReal(int64_t i, double value, bool saturate) {
  switch (type_) {
  case ElementType::Float:
    return store(i, static_cast<float>(value));
  case ElementType::Double:
    return store(i, value);
  case ElementType::Float16:
    return store(i, floatToHalf(static_cast<float>(value)));
  case ElementType::BFloat16:
    return store(i, floatToBfloat16(static_cast<float>(value)));
  default:
    if (isMinifloat(type_))
      return store(i, encodeMinifloat(type_, value, saturate));
    return setInteger(i, truncateToInteger(value));
  }
}

void Tensor::setInteger(int64_t i, int64_t value) {
  auto bits = static_cast<uint64_t>(value);
  switch (type_) {
  case ElementType::Bool:
    return store<uint8_t>(i, value != 0);
  case ElementType::UInt2:
    return store<uint8_t>(i, bits & 3);
  case ElementType::UInt4:
    return store<uint8_t>(i, bits & 15);
  case ElementType::Int2:
    return store<uint8_t>(i, static_cast<uint8_t>((bits & 3) ^ 2) - 2);
  case ElementType::Int4:
    return store<uint8_t>(i, static_cast<uint8_t>((bits & 15) ^ 8) - 8);
  default:
    break;
  }
  if (isReal(type_))
    return setReal(i, static_cast<double>(value));
  switch (elementBytes(type_)) {
  case 1:
    return store(i, static_cast<uint8_t>(bits));
  case 2:
    return store(i, static_cast<uint16_t>(bits));
  case 4:
    return store(i, static_cast<uint32_t>(bits));
  default:
    return store(i, bits);
  }
}

void Tensor::setReals(std::span<const double> values) {
  for (int64_t i = 0; i < count_; ++i)
    setReal(i, values[i]);
}

void Tensor::setIntegers(std::span<const int64_t> values) {
  for (int64_t i = 0; i < count_; ++i)
    setInteger(i, values[i]);
}

int64_t truncateToInteger(double value) {
  if (std::isnan(value))
    return 0;
  if (value >= 0x1p63 && value < 0x1p64) // an unsigned number
    return static_cast<int64_t>(static_cast<uint64_t>(value));
  if (value >= 0x1p63)
    return std::numeric_limits<int64_t>::max();
  return value < -0x1p63 ? std::numeric_limits<int64_t>::min() : static_cast<int64_t>(value);
}

} // namespace lamina::onnx
