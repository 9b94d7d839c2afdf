//===- Model.h - an ONNX model in memory ------------------------------------------------------*- C++ -*-===//
//
// What the reader hands out: graphs in SSA form. Names are resolved to indices, nodes are in an order in
// which every value is defined before it is used, every tensor's bytes are there and as many as its shape
// says; operators and their attributes are not interpreted. The bytes of tensors stay in their files, which
// stay mapped while the model lives. Knows no MLIR.
//
//===----------------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_LIB_IMPORT_ONNX_MODEL_H
#define LAMINA_LIB_IMPORT_ONNX_MODEL_H

#include "runtime/base/MappedFile.h"
#include "runtime/base/Status.h"

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace lamina::onnx {

/// TensorProto.DataType, with the schema's numbers.
enum class ElementType : int32_t {
  Undefined = 0,
  Float = 1,
  UInt8 = 2,
  Int8 = 3,
  UInt16 = 4,
  Int16 = 5,
  Int32 = 6,
  Int64 = 7,
  String = 8,
  Bool = 9,
  Float16 = 10,
  Double = 11,
  UInt32 = 12,
  UInt64 = 13,
  Complex64 = 14,
  Complex128 = 15,
  BFloat16 = 16,
  Float8E4M3FN = 17,
  Float8E4M3FNUZ = 18,
  Float8E5M2 = 19,
  Float8E5M2FNUZ = 20,
  UInt4 = 21,
  Int4 = 22,
  Float4E2M1 = 23,
  Float8E8M0 = 24,
  UInt2 = 25,
  Int2 = 26,
  Float6E2M3 = 27,
  Float6E3M2 = 28,
};
inline constexpr int32_t kNumElementTypes = 29;

/// "float", "int4", ...: the schema's names in lower case.
std::string_view elementTypeName(ElementType type);
/// Bits that an element takes; 0 for Undefined and String. Narrower ones than a byte are packed without gaps,
/// the first element in the lowest bits.
unsigned elementBits(ElementType type);
/// The product of the dimensions; none if one is negative or 63 bits cannot hold it.
std::optional<uint64_t> countElements(std::span<const int64_t> dims);
/// What that many elements take together; none if 63 bits cannot hold the number of bits.
std::optional<uint64_t> tensorBytes(ElementType type, uint64_t elements);

/// Where a tensor's elements lie: row-major, little endian, at any alignment.
struct TensorPlace {
  uint32_t file = 0; ///< index into Model::files
  uint64_t offset = 0;
  uint64_t bytes = 0;
};

/// An initialiser or a tensor in an attribute.
struct TensorConstant {
  std::string name;
  ElementType type = ElementType::Undefined;
  std::vector<int64_t> dims;
  /// A place in a file; or the same bytes here, for the encodings that the file cannot be mapped for; or the
  /// elements of a String tensor.
  std::variant<TensorPlace, std::string, std::vector<std::string>> data;
};

struct Dimension {
  int64_t size = -1;       ///< -1: unknown
  std::string symbol = {}; ///< name of an unknown size; may be empty

  bool operator==(const Dimension &) const = default;
};

/// What the file declares of a value. Element type and shape are of tensors (and sparse tensors) alone.
struct Type {
  enum class Kind { Unknown, Tensor, Sequence, Map, Optional, SparseTensor, Opaque };
  Kind kind = Kind::Unknown;
  ElementType element = ElementType::Undefined;
  std::optional<std::vector<Dimension>> shape = {}; ///< none: not even the rank is known
};

using ValueId = int32_t;               ///< index into Graph::values
inline constexpr ValueId kAbsent = -1; ///< an optional input or output that is not given

struct Value {
  std::string name;
  Type type = {};
};

struct Graph;

/// AttributeProto.AttributeType, with the schema's numbers. SPARSE_TENSOR(S), TENSORS and TYPE_PROTOS are
/// refused.
enum class AttributeKind : int32_t {
  Float = 1,
  Int = 2,
  String = 3,
  Tensor = 4,
  Graph = 5,
  Floats = 6,
  Ints = 7,
  Strings = 8,
  Graphs = 10,
  Type = 13,
};

struct Attribute {
  std::string name;
  AttributeKind kind = AttributeKind::Int;
  /// In the body of a function: the attribute of the calling node that this one takes its value from; `value`
  /// is void then.
  std::string reference;
  /// The alternative of `kind`.
  std::variant<std::monostate, float, int64_t, std::string, TensorConstant, std::unique_ptr<Graph>,
               std::vector<float>, std::vector<int64_t>, std::vector<std::string>,
               std::vector<std::unique_ptr<Graph>>, Type>
      value;
};

struct Node {
  std::string name;   ///< may be empty, need not be unique
  std::string domain; ///< "" is the standard's; "ai.onnx" is given as ""
  std::string op;
  std::string overload;
  /// Trailing absent ones are dropped.
  std::vector<ValueId> inputs, outputs;
  std::vector<Attribute> attributes;
  uint32_t number = 0; ///< position in the file, for messages

  ValueId input(size_t i) const { return i < inputs.size() ? inputs[i] : kAbsent; }
  ValueId output(size_t i) const { return i < outputs.size() ? outputs[i] : kAbsent; }
  /// Null if there is none of that name.
  const Attribute *find(std::string_view attribute) const;
  /// "node '/model/layers.0/attn' ('MatMul')", "node number 12 ('com.microsoft.RotaryEmbedding')": for
  /// messages.
  std::string describe() const;
};

struct Graph {
  std::string name;
  std::vector<Value> values;
  std::vector<Node> nodes; ///< every value is defined before it is used
  /// What the caller gives. A graph input that has an initialiser is a constant and not listed.
  std::vector<ValueId> inputs;
  std::vector<ValueId> outputs;
  std::map<ValueId, TensorConstant> constants; ///< initialisers
  /// Of a subgraph: its values that are defined outside, and what they are in the graph around it.
  struct Capture {
    ValueId inner;
    ValueId outer;
  };
  std::vector<Capture> captures;
};

/// A model-local function. Its body captures nothing.
struct Function {
  std::string domain, name, overload;
  std::vector<std::string> attributes; ///< parameters without a default
  std::vector<Attribute> defaults;
  std::map<std::string, int64_t> opsets;
  Graph body; ///< inputs without types
};

/// A file that tensors lie in.
struct ModelFile {
  std::string path;
  MappedFile mapping = {}; ///< holds the bytes, unless they came from memory
  std::span<const uint8_t> bytes = {};
  bool missing = false; ///< the file does not exist, and that was allowed
};

struct Model {
  int64_t irVersion = 0;
  std::string producer; ///< name and version of the exporter, for messages
  /// The operator sets by domain, "" for the standard one.
  std::map<std::string, int64_t> opsets;
  std::map<std::string, std::string> metadata;
  Graph graph;
  std::vector<Function> functions;
  std::vector<ModelFile> files; ///< the first is the model itself

  const std::string &path() const { return files.front().path; }
  /// The encoded elements of a tensor of any type but String. NotFound where allowMissingData let a model
  /// without its data pass.
  absl::StatusOr<std::span<const uint8_t>> bytes(const TensorConstant &tensor) const;
};

} // namespace lamina::onnx

#endif // LAMINA_LIB_IMPORT_ONNX_MODEL_H
