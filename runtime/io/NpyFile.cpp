//===- NpyFile.cpp - NumPy's files of one array ---------------------------------------------------------===//

#include "runtime/io/NpyFile.h"

#include "runtime/base/MappedFile.h"
#include "runtime/base/StrCat.h"

#include <bit>
#include <charconv>
#include <cstring>
#include <optional>

namespace lamina {
namespace {

static_assert(std::endian::native == std::endian::little, "data is copied as it is");

constexpr std::string_view kMagic = "\x93NUMPY";
constexpr size_t kMaxHeaderBytes = size_t{1} << 16, kMaxRank = 64;

struct TypeName {
  std::string_view element, descr;
};
constexpr TypeName kTypes[] = {
    {"float", "<f4"},          {"double", "<f8"},       {"float16", "<f2"},        {"bfloat16", "<V2"},
    {"bool", "|b1"},           {"int8", "|i1"},         {"int16", "<i2"},          {"int32", "<i4"},
    {"int64", "<i8"},          {"uint8", "|u1"},        {"uint16", "<u2"},         {"uint32", "<u4"},
    {"uint64", "<u8"},         {"float8e4m3fn", "|V1"}, {"float8e4m3fnuz", "|V1"}, {"float8e5m2", "|V1"},
    {"float8e5m2fnuz", "|V1"}, {"float8e8m0", "|V1"},   {"float6e2m3", "|V1"},     {"float6e3m2", "|V1"},
    {"float4e2m1", "|V1"},     {"int4", "|V1"},         {"uint4", "|V1"},          {"int2", "|V1"},
    {"uint2", "|V1"},
};

/// Walks the header, a literal of Python: {'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), }.
class HeaderParser {
public:
  explicit HeaderParser(std::string_view text) : rest_(text) {}

  /// Whether the whole header was understood.
  bool parse() {
    if (!take("{"))
      return false;
    while (!take("}")) {
      std::optional<std::string_view> key = text();
      if (!key || !take(":") || !value(*key))
        return false;
      if (!take(",") && !peek("}"))
        return false;
    }
    skipSpace();
    return rest_.empty() && descr && fortran && shape;
  }

  std::optional<std::string_view> descr;
  std::optional<bool> fortran;
  std::optional<std::vector<int64_t>> shape;

private:
  void skipSpace() {
    while (!rest_.empty() && (rest_[0] == ' ' || rest_[0] == '\n'))
      rest_.remove_prefix(1);
  }
  bool peek(std::string_view token) {
    skipSpace();
    return rest_.starts_with(token);
  }
  bool take(std::string_view token) {
    bool there = peek(token);
    if (there)
      rest_.remove_prefix(token.size());
    return there;
  }
  std::optional<std::string_view> text() {
    char quote = peek("\"") ? '"' : '\'';
    if (!take(std::string_view(&quote, 1)))
      return std::nullopt;
    size_t end = rest_.find(quote);
    if (end == std::string_view::npos)
      return std::nullopt;
    std::string_view found = rest_.substr(0, end);
    rest_.remove_prefix(end + 1);
    return found;
  }
  bool value(std::string_view key) {
    if (key == "descr" && !descr) {
      descr = text();
      return descr.has_value();
    }
    if (key == "fortran_order" && !fortran) {
      fortran = peek("True");
      return take("True") || take("False");
    }
    return key == "shape" && !shape && tuple();
  }
  bool tuple() {
    shape.emplace();
    if (!take("("))
      return false;
    while (!take(")")) {
      skipSpace();
      int64_t size = 0;
      auto [end, error] = std::from_chars(rest_.data(), rest_.data() + rest_.size(), size);
      if (error != std::errc() || size < 0 || shape->size() == kMaxRank)
        return false;
      rest_.remove_prefix(static_cast<size_t>(end - rest_.data()));
      shape->push_back(size);
      if (!take(",") && !peek(")"))
        return false;
    }
    return true;
  }

  std::string_view rest_;
};

/// Bytes of the data; none if 62 bits cannot hold them.
std::optional<uint64_t> dataBytes(std::span<const int64_t> shape, uint64_t elementBytes) {
  uint64_t bytes = elementBytes;
  for (int64_t size : shape)
    if (size == 0)
      return 0;
  for (int64_t size : shape)
    if (__builtin_mul_overflow(bytes, static_cast<uint64_t>(size), &bytes) || bytes >> 62 != 0)
      return std::nullopt;
  return bytes;
}

} // namespace

std::string_view npyDescr(std::string_view element) {
  for (const TypeName &type : kTypes)
    if (type.element == element)
      return type.descr;
  return "";
}

uint64_t npyElementBytes(std::string_view descr) {
  for (const TypeName &type : kTypes)
    if (type.descr == descr)
      return static_cast<uint64_t>(descr.back() - '0');
  return 0;
}

absl::StatusOr<NpyArray> parseNpy(std::span<const uint8_t> bytes, const std::string &path) {
  auto error = [&](const auto &...parts) {
    return absl::InvalidArgumentError(strCat("'", path, "': ", parts...));
  };
  std::string_view text(reinterpret_cast<const char *>(bytes.data()), bytes.size());
  if (!text.starts_with(kMagic) || text.size() < 12)
    return error("expected a .npy file; write it with numpy.save");
  uint8_t version = bytes[6];
  if (version < 1 || version > 3)
    return error("is of version ", int(version), " of NumPy's format, expected 1 to 3");
  size_t begin = version == 1 ? 10 : 12, length = bytes[8] | size_t{bytes[9]} << 8;
  if (version > 1)
    length |= size_t{bytes[10]} << 16 | size_t{bytes[11]} << 24;
  if (length > kMaxHeaderBytes || length > text.size() - begin)
    return error("its header of ", length, " bytes is too long or cut off");
  HeaderParser header(text.substr(begin, length));
  if (!header.parse())
    return error("its header cannot be read; write it with numpy.save");
  uint64_t elementBytes = npyElementBytes(*header.descr);
  if (elementBytes == 0)
    return error("elements of type ", quoteName(*header.descr),
                 " are not known; convert the array with astype");
  if (*header.fortran && header.shape->size() > 1)
    return error("is in column-major order; save numpy.ascontiguousarray of it");
  std::span<const uint8_t> data = bytes.subspan(begin + length);
  std::optional<uint64_t> expected = dataBytes(*header.shape, elementBytes);
  if (!expected || *expected != data.size())
    return error("holds ", data.size(), " bytes of data, its shape takes ",
                 expected ? std::to_string(*expected) : "more than there can be", "; is it cut off?");
  return NpyArray{std::string(*header.descr), std::move(*header.shape), {data.begin(), data.end()}};
}

absl::StatusOr<NpyArray> readNpy(const std::string &path) {
  LAMINA_ASSIGN_OR_RETURN(MappedFile file, MappedFile::open(path));
  return parseNpy(file.bytes(), path);
}

std::string npyHeader(std::string_view descr, std::span<const int64_t> shape) {
  std::string sizes;
  for (int64_t size : shape)
    sizes += strCat(size, shape.size() == 1 ? "," : ", ");
  if (shape.size() > 1)
    sizes.resize(sizes.size() - 2);
  std::string header = strCat("{'descr': '", descr, "', 'fortran_order': False, 'shape': (", sizes, "), }");
  constexpr size_t kPreamble = 10; // magic, version, a length of 16 bits
  header.append(63 - (kPreamble + header.size()) % 64, ' ');
  header += '\n';
  std::string preamble(kMagic);
  preamble += std::string("\x01\x00", 2);
  preamble += static_cast<char>(header.size() & 255);
  preamble += static_cast<char>(header.size() >> 8);
  return preamble + header;
}

} // namespace lamina
