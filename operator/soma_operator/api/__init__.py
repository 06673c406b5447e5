"""The types of the API group `memory.soma.sh`."""
