"""Clusters to run in: the one that is given, kind where Docker runs, else a node of our own."""
