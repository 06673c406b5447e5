"""What callers want, one file per verb: each conducts the domain and the ports, and decides nothing itself."""
