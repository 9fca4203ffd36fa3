"""From an image in memory to commands and streams: what makes the array run a whole network by itself."""
