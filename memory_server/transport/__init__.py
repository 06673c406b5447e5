"""The wire: gRPC and HTTP. The only part of the server that knows generated code."""
