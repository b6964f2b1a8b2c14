"""Datasets in their own formats -> samples, one JSON object a line: one converter a file, and how they are mixed."""
