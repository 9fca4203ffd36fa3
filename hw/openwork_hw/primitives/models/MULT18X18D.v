// The ECP5 multiplier MULT18X18D: P = A * B, with registers for each operand, between, and for the product.
//
// Written from the part's behaviour: 18-bit operands, each signed or unsigned in every cycle (SIGNEDA, SIGNEDB); each
// register stage is there (its _CLK parameter names a clock) or not ("NONE"), with the clock enable and synchronous reset
// that its parameters name; registers start at 0. Not modelled: operand C, the shift chains (SOURCEA, SOURCEB must be 0),
// asynchronous and global reset.
module MULT18X18D (
  input A0, A1, A2, A3, A4, A5, A6, A7, A8, A9, A10, A11, A12, A13, A14, A15, A16, A17,
  input B0, B1, B2, B3, B4, B5, B6, B7, B8, B9, B10, B11, B12, B13, B14, B15, B16, B17,
  input C0, C1, C2, C3, C4, C5, C6, C7, C8, C9, C10, C11, C12, C13, C14, C15, C16, C17,
  input SIGNEDA, SIGNEDB, SOURCEA, SOURCEB,
  input CLK0, CLK1, CLK2, CLK3, CE0, CE1, CE2, CE3, RST0, RST1, RST2, RST3,
  output P0, P1, P2, P3, P4, P5, P6, P7, P8, P9, P10, P11, P12, P13, P14, P15, P16, P17, P18, P19, P20, P21, P22, P23,
    P24, P25, P26, P27, P28, P29, P30, P31, P32, P33, P34, P35,
  output SIGNEDP
);
  parameter REG_INPUTA_CLK = "NONE", REG_INPUTA_CE = "CE0", REG_INPUTA_RST = "RST0";
  parameter REG_INPUTB_CLK = "NONE", REG_INPUTB_CE = "CE0", REG_INPUTB_RST = "RST0";
  parameter REG_INPUTC_CLK = "NONE", REG_INPUTC_CE = "CE0", REG_INPUTC_RST = "RST0";
  parameter REG_PIPELINE_CLK = "NONE", REG_PIPELINE_CE = "CE0", REG_PIPELINE_RST = "RST0";
  parameter REG_OUTPUT_CLK = "NONE", REG_OUTPUT_CE = "CE0", REG_OUTPUT_RST = "RST0";
  parameter CLK0_DIV = "ENABLED", CLK1_DIV = "ENABLED", CLK2_DIV = "ENABLED", CLK3_DIV = "ENABLED";
  parameter HIGHSPEED_CLK = "NONE", GSR = "ENABLED", CAS_MATCH_REG = "FALSE", SOURCEB_MODE = "B_SHIFT";
  parameter MULT_BYPASS = "DISABLED", RESETMODE = "SYNC";

  // The digit at the end of a parameter such as "CLK2" selects the wire.
  wire [3:0] clk = {CLK3, CLK2, CLK1, CLK0}, ce = {CE3, CE2, CE1, CE0}, rst = {RST3, RST2, RST1, RST0};
  localparam [31:0] A_CLK = REG_INPUTA_CLK, A_RST = REG_INPUTA_RST;
  localparam [23:0] A_CE = REG_INPUTA_CE;
  localparam [31:0] B_CLK = REG_INPUTB_CLK, B_RST = REG_INPUTB_RST;
  localparam [23:0] B_CE = REG_INPUTB_CE;
  localparam [31:0] M_CLK = REG_PIPELINE_CLK, M_RST = REG_PIPELINE_RST;
  localparam [23:0] M_CE = REG_PIPELINE_CE;
  localparam [31:0] O_CLK = REG_OUTPUT_CLK, O_RST = REG_OUTPUT_RST;
  localparam [23:0] O_CE = REG_OUTPUT_CE;

  wire [18:0] a_pins = {SIGNEDA, {A17, A16, A15, A14, A13, A12, A11, A10, A9, A8, A7, A6, A5, A4, A3, A2, A1, A0}};
  wire [18:0] b_pins = {SIGNEDB, {B17, B16, B15, B14, B13, B12, B11, B10, B9, B8, B7, B6, B5, B4, B3, B2, B1, B0}};
  reg [18:0] a_register, b_register;
  reg [36:0] m_register, o_register;
  initial {a_register, b_register, m_register, o_register} = 0;
  wire [18:0] a = REG_INPUTA_CLK == "NONE" ? a_pins : a_register;
  wire [18:0] b = REG_INPUTB_CLK == "NONE" ? b_pins : b_register;
  wire signed [37:0] product = $signed({a[18] & a[17], a[17:0]}) * $signed({b[18] & b[17], b[17:0]});
  wire [36:0] m = REG_PIPELINE_CLK == "NONE" ? {a[18] | b[18], product[35:0]} : m_register;
  wire [36:0] o = REG_OUTPUT_CLK == "NONE" ? m : o_register;

  always @(posedge clk[A_CLK[1:0]]) if (rst[A_RST[1:0]]) a_register <= 0; else if (ce[A_CE[1:0]]) a_register <= a_pins;
  always @(posedge clk[B_CLK[1:0]]) if (rst[B_RST[1:0]]) b_register <= 0; else if (ce[B_CE[1:0]]) b_register <= b_pins;
  always @(posedge clk[M_CLK[1:0]])
    if (rst[M_RST[1:0]]) m_register <= 0; else if (ce[M_CE[1:0]]) m_register <= {a[18] | b[18], product[35:0]};
  always @(posedge clk[O_CLK[1:0]]) if (rst[O_RST[1:0]]) o_register <= 0; else if (ce[O_CE[1:0]]) o_register <= m;

  assign {SIGNEDP, P35, P34, P33, P32, P31, P30, P29, P28, P27, P26, P25, P24, P23, P22, P21, P20, P19, P18, P17, P16,
    P15, P14, P13, P12, P11, P10, P9, P8, P7, P6, P5, P4, P3, P2, P1, P0} = o;
endmodule
