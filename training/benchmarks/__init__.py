"""The paper's benchmarks over samples of training.datasets, for any engine and any way to write geometry."""
