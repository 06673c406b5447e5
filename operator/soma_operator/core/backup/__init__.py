"""Copies of memories: when they are due, what makes them, what became of them, and which of them go."""
