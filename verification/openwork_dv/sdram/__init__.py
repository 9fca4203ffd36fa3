"""A model of an SDR SDRAM chip, which says by name what is done to it that its data sheet forbids."""
