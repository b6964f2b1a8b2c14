"""How fast, and how fast it could be: stages, baselines and floors of one run, on random weights and forced answers."""
