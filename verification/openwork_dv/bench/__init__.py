"""What runs inside the simulator; these modules import cocotb and are started by `openwork_dv.runner`."""
