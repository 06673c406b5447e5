"""What both programs need; knows neither of them."""

from importlib.metadata import version

__version__ = version("somamemory")
