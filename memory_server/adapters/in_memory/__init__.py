"""Every port in plain Python, forgotten when the process ends: for tests, and as the plainest statement."""
