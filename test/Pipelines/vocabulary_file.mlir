// A vocabulary is no model.
// REQUIRES: test-data
// RUN: not lamina-opt %test_data/vocab/ggml-vocab-gpt-2.gguf --plan-only 2>&1 | FileCheck %s
// CHECK:     lamina-opt: error: {{.*}}ggml-vocab-gpt-2.gguf: vocabulary-only GGUF: it has a tokenizer but no weights, expected a model
// CHECK-NOT: {{.}}
