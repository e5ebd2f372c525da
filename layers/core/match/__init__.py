"""Is it the same bet? Candidates by shared words, then a gate of facts that must agree."""
