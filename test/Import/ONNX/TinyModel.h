//===- TinyModel.h - writes ONNX models, also wrong ones ---------------------------------------------*- C++
//-*-===//
//
// Models of the reader's tests, made with protobuf's own classes: what the reader gives out is compared with
// what another program wrote.
//
//===-----------------------------------------------------------------------------------------------------------===//

#ifndef LAMINA_TEST_IMPORT_ONNX_TINYMODEL_H
#define LAMINA_TEST_IMPORT_ONNX_TINYMODEL_H

#include "lib/Import/ONNX/Reader.h"

#include "lib/Import/ONNX/onnx.pb.h"

#include <initializer_list>

namespace lamina::onnx {

inline std::span<const uint8_t> asBytes(std::string_view text) {
  return {reinterpret_cast<const uint8_t *>(text.data()), text.size()};
}

/// Graph "g" of IR 10 and opset 21 without anything in it.
inline ::onnx::ModelProto emptyModel() {
  ::onnx::ModelProto model;
  model.set_ir_version(10);
  model.add_opset_import()->set_version(21);
  model.mutable_graph()->set_name("g");
  return model;
}

inline ::onnx::ValueInfoProto *declare(::onnx::ValueInfoProto *value, std::string_view name,
                                       std::initializer_list<int64_t> dims = {2}) {
  value->set_name(std::string(name));
  ::onnx::TypeProto::Tensor *type = value->mutable_type()->mutable_tensor_type();
  type->set_elem_type(::onnx::TensorProto::FLOAT);
  for (int64_t dim : dims)
    type->mutable_shape()->add_dim()->set_dim_value(dim);
  return value;
}

inline ::onnx::NodeProto *addNode(::onnx::GraphProto *graph, std::string_view op,
                                  std::initializer_list<std::string_view> inputs,
                                  std::initializer_list<std::string_view> outputs) {
  ::onnx::NodeProto *node = graph->add_node();
  node->set_op_type(std::string(op));
  node->set_name("node/" + std::string(outputs.size() ? *outputs.begin() : op));
  for (std::string_view input : inputs)
    node->add_input(std::string(input));
  for (std::string_view output : outputs)
    node->add_output(std::string(output));
  return node;
}

inline ::onnx::AttributeProto *addAttribute(::onnx::NodeProto *node, std::string_view name,
                                            ::onnx::AttributeProto::AttributeType type) {
  ::onnx::AttributeProto *attribute = node->add_attribute();
  attribute->set_name(std::string(name));
  attribute->set_type(type);
  return attribute;
}

inline ::onnx::TensorProto *addTensor(::onnx::GraphProto *graph, std::string_view name, int32_t type,
                                      std::initializer_list<int64_t> dims) {
  ::onnx::TensorProto *tensor = graph->add_initializer();
  tensor->set_name(std::string(name));
  tensor->set_data_type(type);
  for (int64_t dim : dims)
    tensor->add_dims(dim);
  return tensor;
}

inline void addExternal(::onnx::TensorProto *tensor, std::string_view key, std::string_view value) {
  tensor->set_data_location(::onnx::TensorProto::EXTERNAL);
  ::onnx::StringStringEntryProto *entry = tensor->add_external_data();
  entry->set_key(std::string(key));
  entry->set_value(std::string(value));
}

/// y = x + w, for tests that break one thing of it.
inline ::onnx::ModelProto addModel() {
  ::onnx::ModelProto model = emptyModel();
  ::onnx::GraphProto *graph = model.mutable_graph();
  declare(graph->add_input(), "x");
  addTensor(graph, "w", ::onnx::TensorProto::FLOAT, {2})->set_raw_data(std::string(8, '\1'));
  addNode(graph, "Add", {"x", "w"}, {"y"});
  declare(graph->add_output(), "y");
  return model;
}

/// The same with an If that captures x, in whose branches w is added by function f.F.
inline ::onnx::ModelProto branchModel() {
  ::onnx::ModelProto model = addModel();
  model.add_opset_import()->set_domain("f");
  model.mutable_opset_import(1)->set_version(1);
  ::onnx::GraphProto *graph = model.mutable_graph();
  declare(graph->add_input(), "cond", {});
  ::onnx::NodeProto *node = addNode(graph, "If", {"cond"}, {"z"});
  for (std::string_view name : {"then_branch", "else_branch"}) {
    ::onnx::GraphProto *branch = addAttribute(node, name, ::onnx::AttributeProto::GRAPH)->mutable_g();
    branch->set_name(std::string(name));
    addNode(branch, "F", {"x", "w"}, {"b"})->set_domain("f");
    declare(branch->add_output(), "b");
  }
  declare(graph->add_output(), "z");
  ::onnx::FunctionProto *function = model.add_functions();
  function->set_name("F");
  function->set_domain("f");
  function->add_input("a");
  function->add_input("b");
  function->add_output("c");
  function->add_opset_import()->set_version(21);
  ::onnx::NodeProto *add = function->add_node();
  add->set_op_type("Add");
  add->add_input("a");
  add->add_input("b");
  add->add_output("c");
  return model;
}

/// The message of the reader's refusal of an image; empty if it accepts it.
inline std::string refusal(std::string_view bytes, ReadOptions options = {}) {
  absl::StatusOr<Model> model = readModel(asBytes(bytes), "test.onnx", options);
  return model.ok() ? "" : std::string(model.status().message());
}
inline std::string refusal(const ::onnx::ModelProto &model, ReadOptions options = {}) {
  return refusal(model.SerializeAsString(), options);
}

} // namespace lamina::onnx

#endif // LAMINA_TEST_IMPORT_ONNX_TINYMODEL_H
