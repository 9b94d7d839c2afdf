//===- Metadata.h - checked access to the hyper-parameters of a GGUF file -------------------*- C++ -*-===//
//
// Hyper-parameters are the pairs `ARCHITECTURE.key`. Reading goes on after an error, so that callers read a
// whole struct and check once: the first error is reported at a location that names the key, later ones are
// dropped, and getters return what they would for an absent key (required ones the lower bound). Every key
// that is asked for becomes a known key; finish() refuses the others. Not thread-safe; the reader must
// outlive it.
//
//===--------------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_LIB_IMPORT_GGUF_METADATA_H
#define LAMINA_LIB_IMPORT_GGUF_METADATA_H

#include "lib/Import/ImportOptions.h"
#include "runtime/io/GGUFReader.h"

#include "mlir/IR/Location.h"
#include "llvm/ADT/SmallVector.h"
#include "llvm/ADT/StringSet.h"

#include <optional>

namespace lamina {

/// Closed range of a number.
template <typename T> struct Bounds {
  T low, high;
  bool contains(T value) const { return low <= value && value <= high; } // false for NaN
};

class Metadata {
public:
  /// `fileLoc` is the location of the file itself.
  Metadata(const GGUFReader &file, llvm::StringRef architecture, mlir::Location fileLoc)
      : file_(file), prefix_(architecture.str() + "."), fileLoc_(fileLoc) {}

  // Keys are given without the architecture. nullopt: absent, or an error was reported.

  std::optional<int64_t> integer(llvm::StringRef key, Bounds<int64_t> bounds);
  /// Rounded to f32.
  std::optional<double> number(llvm::StringRef key, Bounds<double> bounds);
  std::optional<bool> boolean(llvm::StringRef key);
  std::optional<llvm::StringRef> string(llvm::StringRef key);
  /// One value for each of `count` layers, from an array of that length or from one value for all.
  std::optional<llvm::SmallVector<int64_t>> perLayer(llvm::StringRef key, int64_t count,
                                                     Bounds<int64_t> bounds);
  bool isArray(llvm::StringRef key) const;

  int64_t requiredInteger(llvm::StringRef key, Bounds<int64_t> bounds);
  double requiredNumber(llvm::StringRef key, Bounds<double> bounds);

  /// Declares a key as known, whatever it says.
  void tolerate(llvm::StringRef key) { note(key); }
  /// Declares a number or bool as known where it has one of two values that change no result.
  void tolerate(llvm::StringRef key, double neutral, double alsoNeutral);

  /// Reports `message` about `key`, preceded by the key's full name.
  void fail(llvm::StringRef key, const llvm::Twine &message);
  /// Reports that `key` is missing. This waits for finish(), when it is known which of the file's keys are
  /// strangers, but later errors are dropped already.
  void failMissing(llvm::StringRef key);

  /// To be called after all requests: reports a missing key, or the first one that nothing has asked for.
  /// True if there was no error at all.
  bool finish();

private:
  std::string fullName(llvm::StringRef key) const { return prefix_ + key.str(); }
  /// Notes that the key is known, and whether it is there.
  bool note(llvm::StringRef key);
  /// The keys of the architecture that nothing has asked for, in file order.
  llvm::SmallVector<llvm::StringRef> strangers() const;
  void report(llvm::StringRef key, const llvm::Twine &message);
  template <typename T> std::optional<T> take(llvm::StringRef key, absl::StatusOr<T> value);
  template <typename T>
  std::optional<T> bounded(llvm::StringRef key, std::optional<T> value, Bounds<T> bounds);

  const GGUFReader &file_;
  std::string prefix_;
  mlir::Location fileLoc_;
  llvm::StringSet<> known_;
  std::string missing_; ///< the first missing key
  bool failed_ = false; ///< an error has been reported
};

} // namespace lamina

#endif // LAMINA_LIB_IMPORT_GGUF_METADATA_H
