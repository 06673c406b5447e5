"""The memory server: stores memories durably and recalls them over gRPC."""
