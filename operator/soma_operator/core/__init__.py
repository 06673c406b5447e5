"""Decisions of the operator: pure and synchronous; what is read and what is written happens outside."""
