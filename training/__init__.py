"""Learning: the synthetic world, supervised training, evaluation and export. Needs the `training` extra."""
