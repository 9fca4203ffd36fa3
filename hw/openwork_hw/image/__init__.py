"""From an image in memory to commands and streams: with these parts, the array runs a whole network by itself."""
