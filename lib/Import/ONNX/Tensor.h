//===- Tensor.h - a dense tensor whose elements may be unknown --------------------------------*- C++ -*-===//
//
// What the evaluator computes with. A tensor has a type and a shape and, unless only those are known,
// elements: row-major, in their type's own encoding, one byte for elements of fewer than eight bits. Copies
// share elements; only a tensor that was just allocated is written to. An absent optional input is a tensor
// of type Undefined.
//
//===----------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_LIB_IMPORT_ONNX_TENSOR_H
#define LAMINA_LIB_IMPORT_ONNX_TENSOR_H

#include "lib/Import/ONNX/Model.h"
#include "runtime/base/Status.h"

#include <cstring>
#include <memory>
#include <span>
#include <vector>

namespace lamina::onnx {

using Dims = std::vector<int64_t>;

/// Bytes that an element takes in memory; 0 for types that the evaluator does not know: strings, complex
/// numbers.
size_t elementBytes(ElementType type);
bool isReal(ElementType type);
bool isInteger(ElementType type); // bool too
bool isSigned(ElementType type);  // of the integers

/// The smallest and the largest; of UInt64 as bits.
std::pair<int64_t, int64_t> integerRange(ElementType type);

/// The product; one too large becomes the largest number.
int64_t elementCount(std::span<const int64_t> dims);

/// "float[2, 3]"
std::string describe(ElementType type, const Dims &dims);

class Tensor {
public:
  Tensor() = default;
  /// No elements yet. Sizes are at least 0.
  Tensor(ElementType type, Dims dims) : type_(type), dims_(std::move(dims)), count_(elementCount(dims_)) {}
  /// The elements as files hold them: little endian, elements of fewer than eight bits packed, the first in
  /// the lowest bits. `encoded` must stay valid where nothing has to be unpacked. Fails if its size does not
  /// fit.
  static absl::StatusOr<Tensor> fromFile(ElementType type, Dims dims, std::span<const uint8_t> encoded);
  /// The same as files hold it.
  std::string toFile() const;
  static Tensor ofIntegers(std::span<const int64_t> values, Dims dims, ElementType type = ElementType::Int64);
  static Tensor ofReals(std::span<const double> values, Dims dims, ElementType type = ElementType::Float);

  ElementType type() const { return type_; }
  const Dims &dims() const { return dims_; }
  int64_t rank() const { return static_cast<int64_t>(dims_.size()); }
  int64_t count() const { return count_; }
  bool isAbsent() const { return type_ == ElementType::Undefined; }
  bool hasData() const { return data_ != nullptr; }
  std::span<const uint8_t> bytes() const {
    return {data_, static_cast<size_t>(count_) * elementBytes(type_)};
  }
  std::string describe() const { return onnx::describe(type_, dims_); }

  /// The same elements in another shape of as many.
  Tensor reshaped(Dims dims) const;

  /// Gives the tensor elements of its own, all zero.
  void allocate();

  /// One element. A real one as an integer: see truncateToInteger. UInt64 as an integer: its bits.
  double real(int64_t index) const;
  int64_t integer(int64_t index) const;
  std::vector<double> reals() const;
  std::vector<int64_t> integers() const;

  /// Whether one element is less than another; NaN is less than nothing and nothing less than it.
  bool less(int64_t a, int64_t b) const;

  /// Rounds to nearest, or keeps the lower bits. `saturate` is for elements of at most eight bits.
  void setReal(int64_t index, double value, bool saturate = true);
  void setInteger(int64_t index, int64_t value);
  /// The encoding of an element of at most eight bits.
  void setCode(int64_t index, uint8_t code) { store(index, code); }
  uint8_t *mutableBytes() { return owned_->data(); }
  void setReals(std::span<const double> values);
  void setIntegers(std::span<const int64_t> values);
  /// Copies elements of a tensor of the same type.
  void copy(int64_t index, const Tensor &from, int64_t fromIndex, int64_t count = 1) {
    size_t size = elementBytes(type_);
    std::memcpy(owned_->data() + index * size, from.data_ + fromIndex * size, count * size);
  }

private:
  template <typename T> T load(int64_t index) const {
    T value;
    std::memcpy(&value, data_ + index * sizeof(T), sizeof(T));
    return value;
  }
  template <typename T> void store(int64_t index, T value) {
    std::memcpy(owned_->data() + index * sizeof(T), &value, sizeof(T));
  }

  ElementType type_ = ElementType::Undefined;
  Dims dims_;
  int64_t count_ = 1;
  const uint8_t *data_ = nullptr;
  std::shared_ptr<std::vector<uint8_t>> owned_; // null if the bytes are someone else's
};

/// Rounds toward zero; 0 for NaN, the nearest integer if too large. Numbers from 2^63 to 2^64 give the bits
/// of the unsigned integer.
int64_t truncateToInteger(double value);

} // namespace lamina::onnx

#endif // LAMINA_LIB_IMPORT_ONNX_TENSOR_H
