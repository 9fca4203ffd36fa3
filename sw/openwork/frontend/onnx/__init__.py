"""ONNX models: the verifier of files, the reader of models, and the translations of ONNX's operators into PyTorch's."""
