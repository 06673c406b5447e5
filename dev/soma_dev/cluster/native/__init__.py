"""A whole Kubernetes node without Docker: Linux, root, and binaries built from Go modules."""
