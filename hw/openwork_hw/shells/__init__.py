"""What stands around the core at the edge of a chip."""
