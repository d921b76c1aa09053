"""Frozen TensorFlow graphs as ONNX files and registry entries; TensorFlow runs in a child."""
