"""Tools of the project's developers: what `make` calls. Never shipped."""
