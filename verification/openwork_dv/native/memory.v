// A memory of zeros, without a word for each zero: with 65,536 words a PE those take minutes to write down.
module plain_memory #(
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

    always @(posedge clk) begin
        if (read_enable) read_data <= words[read_address];
        if (write_enable) words[write_address] <= write_data;
    end
endmodule
