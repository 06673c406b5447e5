"""The project's images: what goes into them, and how they are built."""
