"""Every SQL statement of the running system, one typed function each."""
