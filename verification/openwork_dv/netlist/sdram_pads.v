// Cells of ECP5 around the pins of an SDRAM chip, with the time that a pad takes.
//
// Written from the part's behaviour; Yosys reads the ports alone. OUT_PS is from the clock to a pin: a register takes no time here, so the pad has all of it.
`timescale 1ps/1ps

module TRELLIS_IO (inout B, input I, T, output O);
  parameter DIR = "INPUT";
`ifndef YOSYS
  assign O = B;
  generate
    if (DIR != "INPUT") begin
      wire #(`OUT_PS) pad = I;
      wire #(`OUT_PS) off = T === 1'b1;
      assign B = off ? 1'bz : pad;
    end
  endgenerate
`endif
endmodule

module ODDRX1F (input SCLK, RST, D0, D1, output reg Q);
  initial Q = 0;
  always @(posedge SCLK) Q <= D0;
  always @(negedge SCLK) Q <= D1;
endmodule

module DCCA (input CLKI, CE, output CLKO);
  assign CLKO = CLKI;
endmodule

module SGSR (input CLK, GSR);
endmodule

// A clock of 25 MHz goes in. The first output is aligned with it, the second comes later by the difference of the phases.
module EHXPLLL (
    input CLKI, CLKFB, PHASESEL1, PHASESEL0, PHASEDIR, PHASESTEP, PHASELOADREG, STDBY, PLLWAKESYNC, RST, ENCLKOP, ENCLKOS,
    output reg CLKOP, CLKOS, output LOCK
);
  parameter CLKI_DIV = 1;
  parameter CLKFB_DIV = 1;
  parameter CLKOP_DIV = 1;
  parameter CLKOP_CPHASE = 0;
  parameter CLKOP_FPHASE = 0;
  parameter CLKOS_DIV = 1;
  parameter CLKOS_CPHASE = 0;
  parameter CLKOS_FPHASE = 0;
  parameter CLKOP_ENABLE = "";
  parameter CLKOS_ENABLE = "";
  parameter PLLRST_ENA = "";
  parameter INTFB_WAKE = "";
  parameter STDBY_ENABLE = "";
  parameter DPHASE_SOURCE = "";
  parameter OUTDIVIDER_MUXA = "";
  parameter OUTDIVIDER_MUXB = "";
  parameter FEEDBK_PATH = "";
`ifndef YOSYS
  localparam real CYCLE = 40000.0 * CLKI_DIV / CLKFB_DIV;
  localparam real EIGHTH = CYCLE / CLKOP_DIV / 8;
  localparam real LATER = EIGHTH * (8 * (CLKOS_CPHASE - CLKOP_CPHASE) + CLKOS_FPHASE - CLKOP_FPHASE);
  initial begin
    CLKOP = 0;
    forever #(CYCLE / 2) CLKOP = ~CLKOP;
  end
  initial begin
    CLKOS = 0;
    #(LATER);
    forever #(CYCLE / 2) CLKOS = ~CLKOS;
  end
  assign LOCK = 1;
`endif
endmodule
