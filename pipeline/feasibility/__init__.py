"""Go, collect, or stop: what the photographs at hand can carry, and what would help."""
