//===- ArtifactManifest.cpp - manifest.json -----------------------------------------------------------===//

#include "runtime/io/ArtifactManifest.h"

#include "runtime/base/Sha256.h"
#include "runtime/base/StrCat.h"

#include <nlohmann/json.hpp>

#include <algorithm>

namespace lamina {
namespace {

using Json = nlohmann::json;

constexpr std::string_view kPrefix = kManifestPrefix;
constexpr std::string_view kSuffix = kManifestSuffix;
constexpr size_t kDigestDigits = 64;

bool isDigest(std::string_view text) {
  return text.size() == kDigestDigits && std::all_of(text.begin(), text.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
         });
}

/// Compares the first line's digest with the rest and returns what is left to parse: the rest behind a brace.
absl::StatusOr<std::string> verifiedBody(std::string_view text) {
  size_t head = kPrefix.size() + kDigestDigits + kSuffix.size();
  if (text.size() < head || !text.starts_with(kPrefix) ||
      text.substr(head - kSuffix.size(), kSuffix.size()) != kSuffix)
    return absl::DataLossError(
        "expected its first line to hold the sha256 of the rest; compile the model again");
  std::string_view expected = text.substr(kPrefix.size(), kDigestDigits);
  std::string_view rest = text.substr(head);
  std::string actual = Sha256::hexOf(rest);
  if (actual != expected)
    return absl::DataLossError(
        strCat("sha256 is ", actual, ", expected ", expected, "; copy the artifact again or recompile"));
  return strCat("{", rest);
}

absl::Status fieldError(std::string_view key, std::string_view expected) {
  return absl::InvalidArgumentError(strCat("field '", key, "': expected ", expected));
}

absl::StatusOr<uint64_t> unsignedField(const Json &object, const char *key) {
  auto field = object.find(key);
  if (field == object.end() || !field->is_number_unsigned())
    return fieldError(key, "an unsigned integer");
  return *field->get_ptr<const Json::number_unsigned_t *>();
}

absl::StatusOr<std::string> stringField(const Json &object, const char *key) {
  auto field = object.find(key);
  if (field == object.end() || !field->is_string())
    return fieldError(key, "a string");
  return *field->get_ptr<const Json::string_t *>();
}

absl::StatusOr<std::vector<std::string>> stringsField(const Json &object, const char *key) {
  auto field = object.find(key);
  if (field == object.end() || !field->is_array())
    return fieldError(key, "a list of strings");
  std::vector<std::string> values;
  for (const Json &element : *field) {
    if (!element.is_string())
      return fieldError(key, "a list of strings");
    values.push_back(*element.get_ptr<const Json::string_t *>());
  }
  return values;
}

/// The name that a file's digest has, which says how it is computed.
const char *digestKey(uint32_t formatVersion) {
  return formatVersion >= kChunkDigestFormatVersion ? "chunks_sha256" : "sha256";
}

absl::StatusOr<std::map<std::string, ArtifactFile>> filesField(const Json &object, uint32_t formatVersion) {
  auto field = object.find("files");
  if (field == object.end() || !field->is_object())
    return fieldError("files", "an object");
  if (field->size() > kMaxArtifactFiles)
    return fieldError("files", strCat("at most ", kMaxArtifactFiles, " files, got ", field->size()));
  std::map<std::string, ArtifactFile> files;
  for (auto entry = field->begin(); entry != field->end(); ++entry) {
    if (!isArtifactPath(entry.key()) || entry.key() == kManifestFile)
      return absl::InvalidArgumentError(strCat(
          "file name '", entry.key(), "' may not stand in an artifact; it was not made by lamina-opt"));
    const char *key = digestKey(formatVersion);
    if (!entry->is_object() || entry->size() != 2)
      return fieldError(entry.key(), strCat("an object of bytes and ", key));
    ArtifactFile file;
    LAMINA_ASSIGN_OR_RETURN(file.bytes, unsignedField(*entry, "bytes"));
    LAMINA_ASSIGN_OR_RETURN(file.digest, stringField(*entry, key));
    if (!isDigest(file.digest))
      return fieldError(entry.key(), strCat("a ", key, " of 64 lower-case hexadecimal digits"));
    files.emplace(entry.key(), std::move(file));
  }
  return files;
}

absl::Status checkVersion(uint64_t version) {
  if (version >= kOldestArtifactFormatVersion && version <= kArtifactFormatVersion)
    return absl::OkStatus();
  bool newer = version > kArtifactFormatVersion;
  return absl::FailedPreconditionError(
      strCat("artifact format version ", version, ", this lamina-run reads ", kOldestArtifactFormatVersion,
             " to ", kArtifactFormatVersion, "; ",
             newer ? "use the lamina-run of the compiler that made it"
                   : "compile the model again with this version's lamina-opt"));
}

} // namespace

bool isArtifactPath(std::string_view path) {
  if (path.size() > kMaxArtifactPathBytes)
    return false;
  bool componentStarts = true;
  for (char c : path) {
    bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
    bool known = letter || c == '.' || c == '_' || c == '+' || c == '-' || c == '/';
    if (!known || (componentStarts && (c == '.' || c == '/')))
      return false;
    componentStarts = c == '/';
  }
  return !componentStarts;
}

std::string formatManifest(const ArtifactManifest &manifest) {
  Json files = Json::object();
  for (const auto &[path, file] : manifest.files)
    files[path] = {{"bytes", file.bytes}, {digestKey(manifest.formatVersion), file.digest}};
  // Json objects are sorted by key, which makes the text canonical.
  Json object = {{"format_version", manifest.formatVersion},
                 {"compiler_version", manifest.compilerVersion},
                 {"model", {{"name", manifest.modelName}, {"sha256", manifest.modelSha256}}},
                 {"targets", manifest.targets},
                 {"flags", manifest.flags},
                 {"files", std::move(files)}};
  // A model's name is the user's bytes, which need not be UTF-8.
  std::string body = object.dump(2, ' ', /*ensure_ascii=*/true, Json::error_handler_t::replace);
  std::string rest = strCat(std::string_view(body).substr(2), "\n");
  return strCat(kPrefix, Sha256::hexOf(rest), kSuffix, rest);
}

absl::StatusOr<ArtifactManifest> parseManifest(std::string_view text) {
  LAMINA_ASSIGN_OR_RETURN(std::string body, verifiedBody(text));
  Json object = Json::parse(body, nullptr, /*allow_exceptions=*/false);
  if (!object.is_object())
    return absl::InvalidArgumentError("not a JSON object; compile the model again");
  // The version decides whether the rest means what we think it does.
  LAMINA_ASSIGN_OR_RETURN(uint64_t version, unsignedField(object, "format_version"));
  LAMINA_RETURN_IF_ERROR(checkVersion(version));
  ArtifactManifest manifest;
  manifest.formatVersion = static_cast<uint32_t>(version);
  LAMINA_ASSIGN_OR_RETURN(manifest.compilerVersion, stringField(object, "compiler_version"));
  auto model = object.find("model");
  if (model == object.end() || !model->is_object())
    return fieldError("model", "an object of name and sha256");
  LAMINA_ASSIGN_OR_RETURN(manifest.modelName, stringField(*model, "name"));
  LAMINA_ASSIGN_OR_RETURN(manifest.modelSha256, stringField(*model, "sha256"));
  LAMINA_ASSIGN_OR_RETURN(manifest.targets, stringsField(object, "targets"));
  LAMINA_ASSIGN_OR_RETURN(manifest.flags, stringsField(object, "flags"));
  LAMINA_ASSIGN_OR_RETURN(manifest.files, filesField(object, manifest.formatVersion));
  return manifest;
}

} // namespace lamina
