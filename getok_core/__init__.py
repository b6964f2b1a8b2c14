"""The spatial language and the flow from an image to a scene. No ROS, no torch, no onnxruntime at import."""
