"""What a model is measured on: rendered scenes with exact truth, and real frames. Never trained on."""
