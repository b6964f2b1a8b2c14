"""Whole runs by one command, each resumable: the nano with its tables, and the ablations."""
