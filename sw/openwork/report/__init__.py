"""What a compiled image costs, for people: a table, and a page with drawings."""

from openwork.report.layers import LayerRow, layer_rows
from openwork.report.page import write_report
from openwork.report.table import layer_table

__all__ = ["LayerRow", "layer_rows", "layer_table", "write_report"]
