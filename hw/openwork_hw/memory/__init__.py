"""Memory chips beside the FPGA: their pins, and the controllers that drive them."""
