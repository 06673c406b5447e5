"""The main job, shown from an empty machine: `make demo`."""
