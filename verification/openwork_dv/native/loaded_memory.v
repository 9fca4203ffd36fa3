// A memory of an SDRAM chip's model. The argument +NAME=FILE of a program says what the memory holds from the start, in
// hexadecimal numbers; without it, zeros.
module loaded_memory #(
    parameter NAME = "",
    parameter WIDTH = 1,
    parameter DEPTH = 1,
    parameter ADDRESS_BITS = 1
) (
    input clk,
    input write_enable,
    input [ADDRESS_BITS-1:0] write_address,
    input [WIDTH-1:0] write_data,
    input read_enable,
    input [ADDRESS_BITS-1:0] read_address,
    output reg [WIDTH-1:0] read_data
);
    reg [WIDTH-1:0] words [0:DEPTH-1];
    reg [8*256-1:0] path;

`ifndef YOSYS  // which reads no more than the ports
    initial if ($value$plusargs({NAME, "=%s"}, path)) $readmemh(path, words);
`endif

    always @(posedge clk) begin
        if (read_enable) read_data <= words[read_address];
        if (write_enable) words[write_address] <= write_data;
    end
endmodule
