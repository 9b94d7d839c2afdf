//===- CompileCache.cpp - artifacts of models that are run directly -------------------------------===//

#include "tools/common/CompileCache.h"

#include "runtime/base/Sha256.h"
#include "runtime/base/StrCat.h"
#include "runtime/device/cpu/CodeLibrary.h"
#include "runtime/io/ArtifactWriter.h"
#include "tools/common/ModelDigest.h"

#include <cerrno>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <spawn.h>
#include <string_view>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

namespace lamina {
namespace {

namespace fs = std::filesystem;

constexpr char kCompiler[] = "lamina-opt";

absl::StatusOr<std::string> findCompiler() {
  std::error_code error;
  fs::path beside = fs::read_symlink("/proc/self/exe", error).parent_path() / kCompiler;
  if (!error && ::access(beside.c_str(), X_OK) == 0)
    return beside.string();
  const char *path = std::getenv("PATH");
  for (std::string_view rest = path ? path : ""; !rest.empty();) {
    std::string_view folder = rest.substr(0, rest.find(':'));
    rest.remove_prefix(std::min(rest.size(), folder.size() + 1));
    std::string candidate = strCat(folder, "/", kCompiler);
    if (!folder.empty() && ::access(candidate.c_str(), X_OK) == 0)
      return candidate;
  }
  return absl::NotFoundError(
      "a model must be compiled first, and lamina-opt is neither beside this program nor in PATH; "
      "install it, or compile elsewhere with lamina-opt MODEL -o NAME.lamina");
}

absl::StatusOr<fs::path> cacheFolder() {
  fs::path folder;
  if (const char *cache = std::getenv("XDG_CACHE_HOME"); cache && *cache == '/')
    folder = cache;
  else if (const char *home = std::getenv("HOME"); home && *home)
    folder = fs::path(home) / ".cache";
  else
    return absl::NotFoundError("no folder for compiled models: neither XDG_CACHE_HOME nor HOME is set");
  folder /= "lamina";
  std::error_code error;
  fs::create_directories(folder, error);
  if (error)
    return absl::UnavailableError(strCat("cannot create '", folder.string(), "': ", error.message(),
                                         "; set XDG_CACHE_HOME to a folder that can be written"));
  return folder;
}

absl::StatusOr<std::string> keyOf(const ModelSource &source, const std::string &compiler,
                                  const fs::path &folder) {
  LAMINA_ASSIGN_OR_RETURN(SourceFiles model, openSourceFiles(source.model));
  std::vector<std::string> targets = detectTargets(), flags = source.compileFlags;
  for (const std::string &file : source.flagFiles) {
    LAMINA_ASSIGN_OR_RETURN(std::string digest, Sha256::hexOfFile(file));
    flags.push_back(std::move(digest));
  }
  return compileCacheKey(model, modelDigest(model, folder.string()), compiler,
                         targets.empty() ? "" : targets.front(), flags);
}

/// Held while an artifact is looked for and made: of processes that want the same one the first makes it, and none replaces
/// what another has just begun to use. Where a file system has no locks each makes its own.
class Lock {
public:
  Lock(const std::string &path, const std::string &model)
      : file_(::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0666)) {
    if (file_ < 0 || ::flock(file_, LOCK_EX | LOCK_NB) == 0)
      return;
    if (errno == EWOULDBLOCK && ::isatty(STDERR_FILENO))
      std::fprintf(stderr, "waiting for another process that compiles %s\n", model.c_str());
    while (::flock(file_, LOCK_EX) != 0 && errno == EINTR) {
    }
  }
  ~Lock() {
    if (file_ >= 0)
      ::close(file_);
  }
  Lock(const Lock &) = delete;
  Lock &operator=(const Lock &) = delete;

private:
  const int file_;
};

/// Runs the compiler with its output on our standard error, so that ours holds nothing but results.
absl::Status runCompiler(const std::string &compiler, const std::string &model,
                         const std::vector<std::string> &flags, const std::string &output) {
  std::vector<std::string> words = {compiler, model, "-o", output};
  words.insert(words.end(), flags.begin(), flags.end());
  std::vector<char *> arguments;
  for (std::string &word : words)
    arguments.push_back(word.data());
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, STDERR_FILENO, STDOUT_FILENO);
  pid_t pid;
  int error = ::posix_spawn(&pid, compiler.c_str(), &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0)
    return absl::UnavailableError(strCat("cannot start '", compiler, "': ", std::strerror(error)));
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) {
  }
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
    return absl::OkStatus();
  if ((WIFSIGNALED(status) && WTERMSIG(status) == SIGINT) ||
      (WIFEXITED(status) && WEXITSTATUS(status) == 128 + SIGINT))
    return absl::CancelledError("interrupted");
  std::string how =
      WIFEXITED(status) ? strCat("exit status ", WEXITSTATUS(status)) : strCat("signal ", WTERMSIG(status));
  return absl::InternalError(
      strCat("compiling '", model, "' failed with ", how, "; '", compiler, "' said why above"));
}

} // namespace

std::string compileCacheKey(const SourceFiles &model, const std::string &digest, const std::string &compiler,
                            const std::string &target, const std::vector<std::string> &flags) {
  Sha256 sha;
  // With its length, so that texts one behind the other are not others.
  auto add = [&](std::string_view text) { sha.update(strCat(text.size(), " ", text, "\n")); };
  add(model.name);
  for (const SourceFiles::File &file : model.files) {
    add(fs::path(file.path).filename().string());
    add(strCat(file.bytes.size()));
  }
  // The compiler's size and time stand for its version, which alone would not tell two builds of a
  // developer's apart.
  struct stat info = {};
  ::stat(compiler.c_str(), &info);
  for (const std::string &text : {digest, std::string(LAMINA_VERSION), strCat(info.st_size),
                                  strCat(info.st_mtim.tv_sec), strCat(info.st_mtim.tv_nsec), target})
    add(text);
  for (const std::string &flag : flags)
    add(flag);
  return Sha256::hex(sha.finish());
}

std::optional<ArtifactStamp> stampOf(const std::string &artifact) {
  struct stat info = {};
  if (!isArtifactDirectory(artifact) || ::stat((fs::path(artifact) / kManifestFile).c_str(), &info) != 0)
    return std::nullopt;
  return ArtifactStamp{info.st_ino, info.st_mtim.tv_sec, info.st_mtim.tv_nsec};
}

absl::StatusOr<CachedArtifact> compileIntoCache(const ModelSource &source,
                                                const std::optional<ArtifactStamp> &damaged) {
  LAMINA_ASSIGN_OR_RETURN(std::string compiler, findCompiler());
  LAMINA_ASSIGN_OR_RETURN(fs::path folder, cacheFolder());
  LAMINA_ASSIGN_OR_RETURN(std::string key, keyOf(source, compiler, folder));
  std::string artifact = (folder / (key + kArtifactSuffix)).string();
  Lock lock((folder / (key + ".lock")).string(), source.model);
  if (std::optional<ArtifactStamp> found = stampOf(artifact); found && found != damaged)
    return CachedArtifact{artifact, found};
  // The compiler replaces no folder that is not an artifact; this one is ours, whatever is left in it.
  std::error_code ignored; // if it cannot be removed, the compiler says why
  fs::remove(fs::path(artifact) / kManifestFile,
             ignored); // first: who is reading it then learns why files are missing
  fs::remove_all(artifact, ignored);
  if (::isatty(STDERR_FILENO))
    std::fprintf(stderr, "compiling %s into %s\n", source.model.c_str(), artifact.c_str());
  LAMINA_RETURN_IF_ERROR(runCompiler(compiler, source.model, source.compileFlags, artifact));
  return CachedArtifact{artifact, stampOf(artifact)};
}

} // namespace lamina
