//===- Metadata.cpp - checked access to the hyper-parameters of a GGUF file ---------------------------===//

#include "lib/Import/GGUF/Metadata.h"

#include "lib/Support/Names.h"

#include "mlir/IR/BuiltinAttributes.h"
#include "mlir/IR/Diagnostics.h"
#include "llvm/ADT/Twine.h"

using namespace mlir;

namespace lamina {
namespace {

std::string text(int64_t value) { return std::to_string(value); }
std::string text(double value) { return numberText(value); }

} // namespace

bool Metadata::note(StringRef key) {
  std::string name = fullName(key);
  known_.insert(name);
  return file_.has(name);
}

bool Metadata::isArray(StringRef key) const {
  const GGUFPair *pair = file_.find(fullName(key));
  return pair && pair->isArray();
}

void Metadata::report(StringRef key, const Twine &message) {
  failed_ = true;
  std::string name = fullName(key);
  emitError(namedLoc(name, fileLoc_)) << "key " << quoted(name) << " " << message;
}

void Metadata::fail(StringRef key, const Twine &message) {
  if (!failed_ && missing_.empty())
    report(key, message);
}

void Metadata::failMissing(StringRef key) {
  if (missing_.empty())
    missing_ = key;
}

template <typename T> std::optional<T> Metadata::take(StringRef key, absl::StatusOr<T> value) {
  if (value.ok())
    return *std::move(value);
  if (!failed_ && missing_.empty()) {
    emitError(namedLoc(fullName(key), fileLoc_)) << toRef(value.status().message());
    failed_ = true;
  }
  return std::nullopt;
}

template <typename T>
std::optional<T> Metadata::bounded(StringRef key, std::optional<T> value, Bounds<T> bounds) {
  if (!value || bounds.contains(*value))
    return value;
  fail(key, "is " + text(*value) + ", expected " + text(bounds.low) + " to " + text(bounds.high));
  return std::nullopt;
}

std::optional<int64_t> Metadata::integer(StringRef key, Bounds<int64_t> bounds) {
  if (!note(key))
    return std::nullopt;
  return bounded(key, take(key, file_.getSigned(fullName(key))), bounds);
}

std::optional<double> Metadata::number(StringRef key, Bounds<double> bounds) {
  if (!note(key))
    return std::nullopt;
  std::optional<double> value = take(key, file_.getFloat(fullName(key)));
  if (value)
    value = float(*value); // what operations hold; an f64 must not become 0 or infinite after the check
  return bounded(key, value, bounds);
}

std::optional<bool> Metadata::boolean(StringRef key) {
  return note(key) ? take(key, file_.getBool(fullName(key))) : std::nullopt;
}

std::optional<StringRef> Metadata::string(StringRef key) {
  if (!note(key))
    return std::nullopt;
  std::optional<std::string_view> value = take(key, file_.getString(fullName(key)));
  return value ? std::optional(toRef(*value)) : std::nullopt;
}

std::optional<SmallVector<int64_t>> Metadata::perLayer(StringRef key, int64_t count, Bounds<int64_t> bounds) {
  if (!note(key))
    return std::nullopt;
  const GGUFPair *pair = file_.find(fullName(key));
  // Before the values are taken: an array of a hostile file may have any length.
  if (pair->isArray() && pair->count != uint64_t(count)) {
    fail(key, "has " + text(int64_t(pair->count)) + " values, expected one for each of " + text(count) +
                  " layers");
    return std::nullopt;
  }
  std::optional<std::vector<int64_t>> values = take(key, file_.getIntegers(fullName(key)));
  if (!values)
    return std::nullopt;
  for (int64_t value : *values)
    if (!bounded<int64_t>(key, value, bounds))
      return std::nullopt;
  if (pair->isArray())
    return SmallVector<int64_t>(values->begin(), values->end());
  return SmallVector<int64_t>(count, values->front());
}

void Metadata::tolerate(StringRef key, double neutral, double alsoNeutral) {
  if (!note(key))
    return;
  const GGUFPair *pair = file_.find(fullName(key));
  std::optional<double> value;
  if (pair->type == gguf::ValueType::Bool)
    value = take(key, file_.getBool(fullName(key)));
  else if (pair->type == gguf::ValueType::F32 || pair->type == gguf::ValueType::F64)
    value = take(key, file_.getFloat(fullName(key)));
  else
    value = take(key, file_.getSigned(fullName(key)));
  if (value && *value != neutral && *value != alsoNeutral)
    fail(key,
         "is " + text(*value) + ", expected " + text(neutral) + ": the importer does not support its effect");
}

int64_t Metadata::requiredInteger(StringRef key, Bounds<int64_t> bounds) {
  if (!note(key))
    failMissing(key);
  return integer(key, bounds).value_or(bounds.low);
}

double Metadata::requiredNumber(StringRef key, Bounds<double> bounds) {
  if (!note(key))
    failMissing(key);
  return number(key, bounds).value_or(bounds.low);
}

SmallVector<StringRef> Metadata::strangers() const {
  SmallVector<StringRef> keys;
  for (const GGUFPair &pair : file_.pairs())
    if (StringRef key = pair.key; key.starts_with(prefix_) && !known_.contains(key))
      keys.push_back(key);
  return keys;
}

bool Metadata::finish() {
  if (failed_)
    return false;
  SmallVector<StringRef> unknown = strangers();
  if (!missing_.empty()) {
    report(missing_, "is missing" + suggestion(fullName(missing_), unknown));
  } else if (!unknown.empty()) {
    SmallVector<StringRef> known(known_.keys());
    llvm::sort(known); // equal distances must not be decided by a hash table's order
    report(unknown.front().drop_front(prefix_.size()),
           "is not known to this importer and may change results" + suggestion(unknown.front(), known));
  }
  return !failed_;
}

} // namespace lamina
