"""Adapters: what the ports need, done by real things. Named after the product."""
