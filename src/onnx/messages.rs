//! The messages of onnx.proto that an exported network needs, with their published field numbers (ONNX IR version 8).

use prost::Message;

/// `AttributeProto.AttributeType`.
pub(super) const INT: i32 = 2;
pub(super) const INTS: i32 = 7;
/// `TensorProto.DataType`.
pub(super) const FLOAT: i32 = 1;
pub(super) const INT64: i32 = 7;

#[derive(Message)]
pub(super) struct Model {
    #[prost(int64, tag = 1)]
    pub ir_version: i64,
    #[prost(string, tag = 2)]
    pub producer_name: String,
    #[prost(string, tag = 3)]
    pub producer_version: String,
    #[prost(message, optional, tag = 7)]
    pub graph: Option<Graph>,
    #[prost(message, repeated, tag = 8)]
    pub opset_import: Vec<OperatorSet>,
    #[prost(message, repeated, tag = 14)]
    pub metadata_props: Vec<Entry>,
}

#[derive(Message)]
pub(super) struct OperatorSet {
    #[prost(string, tag = 1)]
    pub domain: String,
    #[prost(int64, tag = 2)]
    pub version: i64,
}

#[derive(Message)]
pub(super) struct Entry {
    #[prost(string, tag = 1)]
    pub key: String,
    #[prost(string, tag = 2)]
    pub value: String,
}

#[derive(Message)]
pub(super) struct Graph {
    #[prost(message, repeated, tag = 1)]
    pub node: Vec<Node>,
    #[prost(string, tag = 2)]
    pub name: String,
    #[prost(message, repeated, tag = 5)]
    pub initializer: Vec<Tensor>,
    #[prost(message, repeated, tag = 11)]
    pub input: Vec<Value>,
    #[prost(message, repeated, tag = 12)]
    pub output: Vec<Value>,
}

#[derive(Message)]
pub(super) struct Node {
    #[prost(string, repeated, tag = 1)]
    pub input: Vec<String>,
    #[prost(string, repeated, tag = 2)]
    pub output: Vec<String>,
    #[prost(string, tag = 4)]
    pub op_type: String,
    #[prost(message, repeated, tag = 5)]
    pub attribute: Vec<Attribute>,
}

#[derive(Message)]
pub(super) struct Attribute {
    #[prost(string, tag = 1)]
    pub name: String,
    #[prost(float, optional, tag = 2)]
    pub f: Option<f32>,
    #[prost(int64, optional, tag = 3)]
    pub i: Option<i64>,
    #[prost(int64, repeated, packed = "false", tag = 8)]
    pub ints: Vec<i64>,
    #[prost(int32, tag = 20)]
    pub r#type: i32,
}

#[derive(Message)]
pub(super) struct Tensor {
    #[prost(int64, repeated, packed = "false", tag = 1)]
    pub dims: Vec<i64>,
    #[prost(int32, tag = 2)]
    pub data_type: i32,
    #[prost(string, tag = 8)]
    pub name: String,
    /// Little-endian.
    #[prost(bytes = "vec", tag = 9)]
    pub raw_data: Vec<u8>,
}

#[derive(Message)]
pub(super) struct Value {
    #[prost(string, tag = 1)]
    pub name: String,
    #[prost(message, optional, tag = 2)]
    pub r#type: Option<Type>,
}

#[derive(Message)]
pub(super) struct Type {
    #[prost(message, optional, tag = 1)]
    pub tensor_type: Option<TensorType>,
}

#[derive(Message)]
pub(super) struct TensorType {
    #[prost(int32, tag = 1)]
    pub elem_type: i32,
    #[prost(message, optional, tag = 2)]
    pub shape: Option<Shape>,
}

#[derive(Message)]
pub(super) struct Shape {
    #[prost(message, repeated, tag = 1)]
    pub dim: Vec<Dimension>,
}

#[derive(Message)]
pub(super) struct Dimension {
    #[prost(oneof = "Size", tags = "1, 2")]
    pub size: Option<Size>,
}

#[derive(prost::Oneof)]
pub(super) enum Size {
    #[prost(int64, tag = 1)]
    Value(i64),
    #[prost(string, tag = 2)]
    Name(String),
}
