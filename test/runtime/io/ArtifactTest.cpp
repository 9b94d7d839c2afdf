//===- ArtifactTest.cpp - writing, verifying and refusing artifacts -----------------------------------===//

#include "runtime/io/ArtifactReader.h"
#include "runtime/io/ArtifactWriter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <sys/resource.h>
#include <unistd.h>

namespace lamina {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

std::string readFile(const fs::path &path) {
  std::ifstream stream(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

void writeFile(const fs::path &path, std::string_view bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

class ArtifactTest : public testing::Test {
protected:
  void SetUp() override {
    std::string name = testing::TempDir() + "/artifact-XXXXXX";
    ASSERT_NE(::mkdtemp(name.data()), nullptr);
    folder_ = name;
    path_ = (folder_ / "model.lamina").string();
  }
  void TearDown() override { fs::remove_all(folder_); }

  static ArtifactManifest header() {
    ArtifactManifest manifest;
    manifest.compilerVersion = "0.1.0";
    manifest.modelName = "model.gguf";
    manifest.modelSha256 = std::string(64, 'a');
    manifest.targets = {"x86-64-v2", "x86-64-v3"};
    manifest.flags = {"--placement=disaggregated"};
    return manifest;
  }

  static std::string planBytes(uint32_t version = kPlanFormatVersion,
                               const char *code = "code/compute0.x86-64-v3.so") {
    plan::Plan plan;
    plan.set_format_version(version);
    plan::Worker *worker = plan.add_workers();
    worker->set_name("compute0");
    worker->set_weights_file("weights/compute0.bin");
    worker->add_code()->set_file(code);
    return plan.SerializeAsString();
  }

  absl::Status write(const std::string &plan = planBytes(),
                     const std::string &weights = std::string(300, 'w')) {
    auto writer = ArtifactWriter::create(path_);
    LAMINA_RETURN_IF_ERROR(writer.status());
    LAMINA_RETURN_IF_ERROR((*writer)->addFile(kPlanFile, plan));
    LAMINA_RETURN_IF_ERROR((*writer)->addFile(kTokenizerFile, "GGUF"));
    LAMINA_RETURN_IF_ERROR((*writer)->addFile("code/compute0.x86-64-v3.so", "\177ELF"));
    LAMINA_RETURN_IF_ERROR((*writer)->addFile("weights/compute0.bin", weights));
    return (*writer)->commit(header());
  }

  std::string refusal() {
    auto reader = ArtifactReader::open(path_);
    return reader.ok() ? "accepted" : std::string(reader.status().message());
  }

  size_t entriesInFolder() {
    return static_cast<size_t>(std::distance(fs::directory_iterator(folder_), fs::directory_iterator()));
  }

  fs::path folder_;
  std::string path_;
};

TEST_F(ArtifactTest, ReadsWhatWasWritten) {
  ASSERT_TRUE(write().ok());
  auto reader = ArtifactReader::open(path_ + "/");
  ASSERT_TRUE(reader.ok()) << reader.status();
  EXPECT_EQ(reader->path(), path_);
  EXPECT_EQ(reader->manifest().modelName, "model.gguf");
  EXPECT_EQ(reader->manifest().targets, header().targets);
  EXPECT_EQ(reader->manifest().files.size(), 4u);
  EXPECT_EQ(reader->plan().workers(0).name(), "compute0");
  EXPECT_EQ(readFile(reader->filePath("weights/compute0.bin")), std::string(300, 'w'));
  EXPECT_EQ(entriesInFolder(), 1u);
}

TEST_F(ArtifactTest, EqualInputGivesEqualBytes) {
  ASSERT_TRUE(write().ok());
  std::string first = readFile(path_ + "/manifest.json");
  ASSERT_TRUE(write().ok());
  EXPECT_EQ(readFile(path_ + "/manifest.json"), first);
}

TEST_F(ArtifactTest, RefusesEveryFlippedByte) {
  ASSERT_TRUE(write().ok());
  int flips = 0;
  for (const auto &entry : fs::recursive_directory_iterator(path_)) {
    if (!entry.is_regular_file())
      continue;
    std::string original = readFile(entry.path());
    for (size_t i = 0; i < original.size(); ++i, ++flips) {
      std::string damaged = original;
      damaged[i] = static_cast<char>(damaged[i] ^ (1 << (i % 8)));
      writeFile(entry.path(), damaged);
      ASSERT_THAT(refusal(), HasSubstr(fs::relative(entry.path(), path_).string())) << "byte " << i;
    }
    writeFile(entry.path(), original);
  }
  EXPECT_GT(flips, 1000);
  EXPECT_EQ(refusal(), "accepted");
}

TEST_F(ArtifactTest, FindsDamageInEveryChunkWithAnyNumberOfThreads) {
  std::string weights(2 * kDigestChunkBytes + 5, 'w');
  ASSERT_TRUE(write(planBytes(), weights).ok());
  for (unsigned threads : {1u, 2u, 7u}) {
    EXPECT_TRUE(ArtifactReader::open(path_, threads).ok());
    for (size_t place : {size_t(0), kDigestChunkBytes - 1, kDigestChunkBytes, weights.size() - 1}) {
      std::string damaged = weights;
      damaged[place] ^= 1;
      writeFile(path_ + "/weights/compute0.bin", damaged);
      EXPECT_THAT(std::string(ArtifactReader::open(path_, threads).status().message()),
                  HasSubstr("weights/compute0.bin: sha256 is"))
          << place;
    }
    // Chunks that are right but in another place.
    std::string swapped = weights;
    swapped[0] = 'x';
    ASSERT_TRUE(write(planBytes(), swapped).ok());
    std::rotate(swapped.begin(), swapped.begin() + kDigestChunkBytes,
                swapped.begin() + 2 * kDigestChunkBytes);
    writeFile(path_ + "/weights/compute0.bin", swapped);
    EXPECT_THAT(std::string(ArtifactReader::open(path_, threads).status().message()), HasSubstr("sha256 is"));
    ASSERT_TRUE(write(planBytes(), weights).ok());
  }
}

TEST_F(ArtifactTest, ReadsThePreviousFormatVersion) {
  ASSERT_TRUE(write().ok());
  ArtifactManifest manifest = *parseManifest(readFile(path_ + "/manifest.json"));
  manifest.formatVersion = 1;
  for (auto &[name, file] : manifest.files)
    file.digest = *Sha256::hexOfFile(path_ + "/" + name);
  writeFile(path_ + "/manifest.json", formatManifest(manifest));
  EXPECT_THAT(readFile(path_ + "/manifest.json"),
              HasSubstr("\"sha256\": \"" + manifest.files.begin()->second.digest));
  EXPECT_EQ(refusal(), "accepted");
  writeFile(path_ + "/weights/compute0.bin", std::string(300, 'v'));
  EXPECT_THAT(refusal(), HasSubstr("weights/compute0.bin: sha256 is"));
}

TEST_F(ArtifactTest, RefusesMissingExtraTruncatedAndLinkedFiles) {
  ASSERT_TRUE(write().ok());
  fs::path weights = fs::path(path_) / "weights/compute0.bin", kept = folder_ / "kept";
  fs::rename(weights, kept);
  EXPECT_THAT(refusal(), HasSubstr("weights/compute0.bin: missing"));
  fs::create_symlink(kept, weights);
  EXPECT_THAT(refusal(), HasSubstr("weights/compute0.bin: expected a regular file"));
  fs::remove(weights);
  writeFile(weights, "short");
  EXPECT_THAT(refusal(), HasSubstr("has 5 bytes, expected 300"));
  fs::remove(weights);
  fs::rename(kept, weights);
  writeFile(fs::path(path_) / "code/extra.so", "x");
  EXPECT_THAT(refusal(), HasSubstr("code/extra.so: not in the manifest"));
  fs::remove(fs::path(path_) / "code/extra.so");
  fs::create_directory(fs::path(path_) / "more");
  EXPECT_THAT(refusal(), HasSubstr("more: folder not in the manifest"));
  fs::remove(fs::path(path_) / "more");
  EXPECT_EQ(refusal(), "accepted");
}

TEST_F(ArtifactTest, RefusesOtherVersionsAndSaysWhatToDo) {
  ASSERT_TRUE(write(planBytes(99)).ok());
  EXPECT_THAT(refusal(), HasSubstr("plan.pb: plan format version 99, this lamina-run reads 1 to 2"));
  ArtifactManifest manifest = header();
  manifest.formatVersion = 3;
  EXPECT_THAT(std::string(parseManifest(formatManifest(manifest)).status().message()),
              HasSubstr("artifact format version 3, this lamina-run reads 1 to 2; use the lamina-run of"));
  manifest.formatVersion = 0;
  EXPECT_THAT(std::string(parseManifest(formatManifest(manifest)).status().message()),
              HasSubstr("compile the model again"));
}

TEST_F(ArtifactTest, RefusesNamesThatLeaveTheArtifact) {
  for (const char *name :
       {"../evil", "/etc/passwd", "code/../../x", "a//b", "./a", "a/", "", ".hidden", "a b", "a\\b"}) {
    EXPECT_FALSE(isArtifactPath(name)) << name;
    ArtifactManifest manifest = header();
    manifest.files[name] = {1, std::string(64, '0')};
    EXPECT_THAT(std::string(parseManifest(formatManifest(manifest)).status().message()),
                HasSubstr("may not stand"));
    auto writer = ArtifactWriter::create(path_);
    EXPECT_FALSE((*writer)->openFile(name).ok()) << name;
  }
  ASSERT_TRUE(write(planBytes(kPlanFormatVersion, "../../lib.so")).ok());
  EXPECT_THAT(refusal(), HasSubstr("needs file '../../lib.so', which the artifact does not have"));
}

TEST_F(ArtifactTest, RefusesWhatIsNoArtifact) {
  EXPECT_THAT(refusal(), HasSubstr("No such file"));
  fs::create_directory(path_);
  EXPECT_THAT(refusal(), HasSubstr("is no artifact"));
  writeFile(path_ + "/manifest.json", "{}");
  EXPECT_THAT(refusal(), HasSubstr("manifest.json: expected its first line"));
}

TEST_F(ArtifactTest, ReplacesOnlyArtifacts) {
  fs::create_directory(path_);
  ASSERT_TRUE(write().ok()) << "an empty folder may be taken";
  ASSERT_TRUE(write(planBytes(), "new weights").ok());
  EXPECT_EQ(readFile(path_ + "/weights/compute0.bin"), "new weights");
  EXPECT_EQ(entriesInFolder(), 1u);
  fs::remove_all(path_);
  fs::create_directory(path_);
  writeFile(path_ + "/thesis.tex", "x");
  EXPECT_THAT(std::string(write().message()), HasSubstr("exists and is no artifact"));
  EXPECT_EQ(readFile(path_ + "/thesis.tex"), "x");
}

TEST_F(ArtifactTest, AnAbandonedWriteLeavesNothing) {
  ASSERT_TRUE(write().ok());
  {
    auto writer = ArtifactWriter::create(path_);
    ASSERT_TRUE((*writer)->addFile(kPlanFile, "half").ok());
    auto file = (*writer)->openFile("weights/compute0.bin");
    ASSERT_TRUE(file.ok());
    EXPECT_THAT(std::string((*writer)->commit(header()).message()), HasSubstr("begun but not finished"));
  }
  EXPECT_EQ(entriesInFolder(), 1u);
  EXPECT_EQ(refusal(), "accepted");
}

TEST_F(ArtifactTest, RemovesWhatKilledWritersLeft) {
  fs::create_directory(path_ + ".partial-999999999-abcdef"); // no process has that number
  fs::create_directory(path_ + ".partial-1-abcdef");         // one that lives
  ASSERT_TRUE(write().ok());
  EXPECT_FALSE(fs::exists(path_ + ".partial-999999999-abcdef"));
  EXPECT_TRUE(fs::exists(path_ + ".partial-1-abcdef"));
}

TEST_F(ArtifactTest, AProcessThatEndsRemovesItsOwn) {
  auto writer = ArtifactWriter::create(path_);
  ASSERT_TRUE((*writer)->addFile(kPlanFile, "half").ok());
  EXPECT_EQ(entriesInFolder(), 1u);
  removeUnfinishedArtifact(path_);
  EXPECT_EQ(entriesInFolder(), 0u);
}

TEST_F(ArtifactTest, StreamsAndAligns) {
  auto writer = ArtifactWriter::create(path_);
  {
    auto file = (*writer)->openFile("weights/compute0.bin", 1 << 20);
    ASSERT_TRUE(file.ok());
    ASSERT_TRUE(file->append("abc").ok());
    ASSERT_TRUE(file->alignTo(kWeightsPageBytes).ok());
    EXPECT_EQ(file->offset(), kWeightsPageBytes);
    ASSERT_TRUE(file->append("d").ok());
    ASSERT_TRUE(file->close().ok());
  }
  ASSERT_TRUE((*writer)->commit(header()).ok());
  std::string bytes = readFile(path_ + "/weights/compute0.bin");
  ASSERT_EQ(bytes.size(), kWeightsPageBytes + 1); // not the reserved megabyte
  EXPECT_EQ(bytes.substr(0, 4), std::string("abc\0", 4));
  EXPECT_EQ(bytes.back(), 'd');
}

// A file size limit stands for a full disk: the write stops in the middle with the same kind of error.
TEST_F(ArtifactTest, AFullDiskLeavesTheOldArtifactAndNothingElse) {
  ASSERT_TRUE(write().ok());
  rlimit before;
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  auto handler = std::signal(SIGXFSZ, SIG_IGN);
  rlimit small = {100000, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &small), 0);
  absl::Status status = write(planBytes(), std::string(1 << 20, 'x'));
  ::setrlimit(RLIMIT_FSIZE, &before);
  std::signal(SIGXFSZ, handler);
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(status.message()),
              HasSubstr("weights/compute0.bin': File too large: 1048576 more bytes needed"));
  EXPECT_EQ(entriesInFolder(), 1u);
  EXPECT_EQ(readFile(path_ + "/weights/compute0.bin"), std::string(300, 'w'));
  EXPECT_EQ(refusal(), "accepted");
}

} // namespace
} // namespace lamina
