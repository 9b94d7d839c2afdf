//===- Value.h - what a template computes with ------------------------------------------------*- C++ -*-===//
//
// Values mean what they mean in Python. Strings, lists and dicts are immutable and shared; only namespaces
// change. Lists and dicts hold no namespaces, loops or functions, so there are no cycles, and their depth and
// weight are bounded, so that every walk over a value is.
//
//===----------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_RUNTIME_TOKENIZER_JINJA_VALUE_H
#define LAMINA_RUNTIME_TOKENIZER_JINJA_VALUE_H

#include "runtime/base/Status.h"

#include <nlohmann/json_fwd.hpp>

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace lamina::jinja {

class Value;
struct Function;
struct Loop;

/// The order is that of Value's variant.
enum class Kind { Undefined, None, Bool, Int, Float, String, List, Dict, Namespace, Loop, Function };

/// A name or attribute that does not exist; `what` describes it for errors.
struct Undefined {
  std::string what;
};

/// A string; `safe`: it went through |safe, so "+" escapes what is joined to it (as Python's markupsafe
/// does).
struct String {
  std::shared_ptr<const std::string> text;
  bool safe = false;
};

/// A list or tuple.
struct List {
  std::vector<Value> items;
  bool tuple = false;
  uint32_t depth = 1;
  uint64_t weight = 1;
};

/// A dict in insertion order.
struct Dict {
  std::vector<std::pair<std::string, Value>> entries;
  uint32_t depth = 1;
  uint64_t weight = 1;

  const Value *find(std::string_view key) const;
};

/// The object that namespace() makes: attributes that can be set from inner scopes.
struct Namespace {
  std::vector<std::pair<std::string, Value>> attributes;
};

class Value {
public:
  Value() = default;
  Value(std::nullptr_t) : data_(nullptr) {}
  Value(bool value) : data_(value) {}
  Value(int64_t value) : data_(value) {}
  Value(double value) : data_(value) {}
  Value(std::string text, bool safe = false)
      : data_(String{std::make_shared<const std::string>(std::move(text)), safe}) {}
  Value(const char *text) : Value(std::string(text)) {}
  Value(std::shared_ptr<const List> list) : data_(std::move(list)) {}
  Value(std::shared_ptr<const Dict> dict) : data_(std::move(dict)) {}
  Value(std::shared_ptr<Namespace> space) : data_(std::move(space)) {}
  Value(std::shared_ptr<const Loop> loop) : data_(std::move(loop)) {}
  Value(std::shared_ptr<const Function> function) : data_(std::move(function)) {}
  static Value undefined(std::string what) {
    Value value;
    value.data_ = Undefined{std::move(what)};
    return value;
  }

  Kind kind() const { return static_cast<Kind>(data_.index()); }
  bool is(Kind kind) const { return this->kind() == kind; }
  /// Int, Float or Bool, which Python counts with.
  bool isNumber() const { return is(Kind::Bool) || isIntegral() || is(Kind::Float); }
  bool isIntegral() const { return is(Kind::Int) || is(Kind::Bool); }

  // Each of these requires the kind it names.
  const std::string &what() const { return std::get<Undefined>(data_).what; }
  bool boolean() const { return std::get<bool>(data_); }
  double real() const { return std::get<double>(data_); }
  const std::string &text() const { return *std::get<String>(data_).text; }
  const std::vector<Value> &items() const { return list().items; }
  const List &list() const { return *std::get<std::shared_ptr<const List>>(data_); }
  const Dict &dict() const { return *std::get<std::shared_ptr<const Dict>>(data_); }
  Namespace &space() const { return *std::get<std::shared_ptr<Namespace>>(data_); }
  const Loop &loop() const { return *std::get<std::shared_ptr<const Loop>>(data_); }
  const Function &function() const { return *std::get<std::shared_ptr<const Function>>(data_); }

  /// The value of an Int or Bool, of any number.
  int64_t integer() const { return is(Kind::Bool) ? boolean() : std::get<int64_t>(data_); }
  double number() const { return is(Kind::Float) ? real() : static_cast<double>(integer()); }

  bool isSafe() const { return is(Kind::String) && std::get<String>(data_).safe; }

  /// Python's truth.
  bool truthy() const;

  /// Nesting of containers, and how many values a walk visits (long strings count more).
  uint32_t depth() const;
  uint64_t weight() const;

private:
  std::variant<Undefined, std::nullptr_t, bool, int64_t, double, String, std::shared_ptr<const List>,
               std::shared_ptr<const Dict>, std::shared_ptr<Namespace>, std::shared_ptr<const Loop>,
               std::shared_ptr<const Function>>
      data_;
};

inline constexpr uint32_t maxDepth = 100;
inline constexpr uint64_t maxWeight = 1000000;

// Containers. The errors, without a position: an item of a kind that containers do not hold, too deep, too
// large.

absl::StatusOr<Value> makeList(std::vector<Value> items);
absl::StatusOr<Value> makeTuple(std::vector<Value> items);
absl::StatusOr<Value> makeDict(std::vector<std::pair<std::string, Value>> entries);
absl::StatusOr<Value> fromJson(const nlohmann::ordered_json &json);

/// Python's ==.
bool equal(const Value &a, const Value &b);

/// Python's name of the type, for messages.
std::string_view typeName(const Value &value);

// Text. Objects without a textual form are errors.

/// Python's str() and repr().
absl::StatusOr<std::string> toText(const Value &value);
absl::StatusOr<std::string> toRepr(const Value &value);

struct JsonStyle {
  int indent = -1; ///< spaces per level; negative: one line
  std::string itemSeparator = ", ";
  std::string keySeparator = ": ";
  bool sortKeys = false;
  bool ensureAscii = false;
};

/// Python's json.dumps().
absl::StatusOr<std::string> toJson(const Value &value, const JsonStyle &style);

} // namespace lamina::jinja

#endif // LAMINA_RUNTIME_TOKENIZER_JINJA_VALUE_H
