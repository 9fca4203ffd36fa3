// The Gowin multiplier MULT9X9: DOUT = A * B, with registers for each operand, between, and for the product.
//
// Written from the part's behaviour: 9-bit operands, each signed or unsigned (ASIGN, BSIGN); each register stage is there where
// its parameter is 1, with clock enable and synchronous reset. Not modelled: the shift chains (ASEL, BSEL must be 0),
// registers of the signs, asynchronous reset.
module MULT9X9 (
  input [8:0] A, SIA, B, SIB,
  input ASIGN, BSIGN, ASEL, BSEL, CE, CLK, RESET,
  output [17:0] DOUT,
  output [8:0] SOA, SOB
);
  parameter AREG = 1'b0, BREG = 1'b0, OUT_REG = 1'b0, PIPE_REG = 1'b0;
  parameter ASIGN_REG = 1'b0, BSIGN_REG = 1'b0, SOA_REG = 1'b0, MULT_RESET_MODE = "SYNC";

  reg [8:0] a_register, b_register;
  reg [17:0] pipe_register, out_register;
  wire [8:0] a = AREG ? a_register : A, b = BREG ? b_register : B;
  wire signed [19:0] product = $signed({ASIGN & a[8], a}) * $signed({BSIGN & b[8], b});
  wire [17:0] pipe = PIPE_REG ? pipe_register : product[17:0];

  always @(posedge CLK)
    if (RESET) begin
      a_register <= 0;
      b_register <= 0;
      pipe_register <= 0;
      out_register <= 0;
    end else if (CE) begin
      a_register <= A;
      b_register <= B;
      pipe_register <= product[17:0];
      out_register <= pipe;
    end

  assign DOUT = OUT_REG ? out_register : pipe;
  assign SOA = a;
  assign SOB = b;
endmodule
