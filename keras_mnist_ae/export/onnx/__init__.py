"""ONNX graphs from tables and weights."""
