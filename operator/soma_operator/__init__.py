"""The operator: brings SomaMemory resources to life on a Kubernetes cluster."""

__version__ = "0.1.0"
