"""The compiler: from a quantized network to the image for one array, and the cycles that the image takes."""
