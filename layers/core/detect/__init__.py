"""What is unusual, found by pure functions over arrays of all markets at once."""
