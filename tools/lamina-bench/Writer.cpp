//===- Writer.cpp - prints results as they come -------------------------------------------------------===//

#include "tools/lamina-bench/Writer.h"

#include "tools/common/Text.h"
#include "tools/lamina-bench/Fields.h"
#include "tools/lamina-bench/Tables.h"

#include <string>

namespace lamina::bench {
namespace {

void put(std::FILE *file, const std::string &text) {
  std::fwrite(text.data(), 1, text.size(), file);
  std::fflush(file);
}

/// Tests, then batched tests; what each worker did follows them.
class MarkdownWriter final : public Writer {
public:
  explicit MarkdownWriter(std::FILE *file) : file_(file) {}

  void test(const Environment &environment, const TestResult &result) override {
    begin(lastTable_ == Table::Tests ? "" : testHeader(), Table::Tests);
    put(file_, testRow(environment, result));
    note(environment, result.spec.name(), result.workers);
  }

  void batched(const Environment &environment, const BatchedResult &result) override {
    begin(lastTable_ == Table::Batched ? "" : batchedHeader(), Table::Batched);
    put(file_, batchedRow(result));
    note(environment,
         "tg" + std::to_string(result.spec.generate) + " x " + std::to_string(result.spec.sequences),
         result.workers);
  }

  void finish() override {
    if (!workers_.empty())
      put(file_, "\n" + workerHeader() + workers_ + "\n" + startUp_);
    put(file_, "\nbuild: lamina " LAMINA_VERSION "\n");
  }

private:
  enum class Table { None, Tests, Batched };

  void begin(const std::string &header, Table table) {
    if (!header.empty())
      put(file_, (lastTable_ == Table::None ? "" : "\n") + header);
    lastTable_ = table;
  }

  void note(const Environment &environment, const std::string &test, const std::vector<WorkerUse> &workers) {
    workers_ += workerRows(environment, test, workers);
    if (startUp_.empty())
      startUp_ = startUpTable(environment);
  }

  std::FILE *file_;
  Table lastTable_ = Table::None;
  std::string workers_, startUp_;
};

/// One table for tests, one for batched tests, an empty line between them.
class CsvWriter final : public Writer {
public:
  explicit CsvWriter(std::FILE *file) : file_(file) {}

  void test(const Environment &environment, const TestResult &result) override {
    line(testFields(environment, result));
  }
  void batched(const Environment &environment, const BatchedResult &result) override {
    line(batchedFields(environment, result));
  }

private:
  void line(const nlohmann::ordered_json &fields) {
    std::string header = csvHeader(fields);
    if (header != header_)
      put(file_, (header_.empty() ? "" : "\n") + header + "\n");
    header_ = header;
    put(file_, csvLine(fields) + "\n");
  }

  std::FILE *file_;
  std::string header_;
};

/// An array of objects, or one object a line.
class JsonWriter final : public Writer {
public:
  JsonWriter(std::FILE *file, bool lines) : file_(file), lines_(lines) {}

  void test(const Environment &environment, const TestResult &result) override {
    object(testJson(environment, result));
  }
  void batched(const Environment &environment, const BatchedResult &result) override {
    object(batchedJson(environment, result));
  }
  void finish() override {
    if (!lines_)
      put(file_, any_ ? "\n]\n" : "[]\n");
  }

private:
  void object(const nlohmann::ordered_json &json) {
    if (lines_) {
      put(file_, dumpLine(json) + "\n");
      return;
    }
    put(file_,
        (any_ ? ",\n" : "[\n") + json.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
    any_ = true;
  }

  std::FILE *file_;
  bool lines_;
  bool any_ = false;
};

} // namespace

std::unique_ptr<Writer> Writer::create(Format format, std::FILE *file) {
  switch (format) {
  case Format::Markdown:
    return std::make_unique<MarkdownWriter>(file);
  case Format::Csv:
    return std::make_unique<CsvWriter>(file);
  case Format::Json:
    return std::make_unique<JsonWriter>(file, false);
  case Format::JsonLines:
    return std::make_unique<JsonWriter>(file, true);
  case Format::None:
    break;
  }
  return std::make_unique<Writer>();
}

} // namespace lamina::bench
