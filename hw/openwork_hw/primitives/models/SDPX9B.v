// The Gowin block memory SDPX9B: 18,432 bits, port A writes and port B reads words of 9, 18 or 36 bits.
//
// Written from the part's behaviour. A word of w bits is addressed by the upper address pins; the lowest pins of port A are
// its byte enables where w is 18 or 36. READ_MODE 1 adds an output register. A word that is read while it is written is
// undefined: x, or inverted where a simulator (Verilator) has no x. INIT_RAM_xx hold what is there at the start, 288 bits each;
// without them that is undefined, too.
// Not modelled: BLKSEL other than BLK_SEL, asynchronous reset, a read port that is wider than the write port or narrower.
`ifdef VERILATOR
  `define SDPX9B_UNDEFINED ~word
  `define SDPX9B_NOTHING {144{2'b10}}
`else
  `define SDPX9B_UNDEFINED 36'bx
  `define SDPX9B_NOTHING 288'bx
`endif
module SDPX9B (
  input CLKA, CEA, RESETA, CLKB, CEB, OCE, RESETB,
  input [13:0] ADA, ADB,
  input [2:0] BLKSELA, BLKSELB,
  input [35:0] DI,
  output [35:0] DO
);
  parameter READ_MODE = 1'b0, BIT_WIDTH_0 = 36, BIT_WIDTH_1 = 36, BLK_SEL_0 = 3'b000, BLK_SEL_1 = 3'b000;
  parameter RESET_MODE = "SYNC";
  parameter [287:0] INIT_RAM_00 = `SDPX9B_NOTHING, INIT_RAM_01 = `SDPX9B_NOTHING,
    INIT_RAM_02 = `SDPX9B_NOTHING, INIT_RAM_03 = `SDPX9B_NOTHING;
  parameter [287:0] INIT_RAM_04 = `SDPX9B_NOTHING, INIT_RAM_05 = `SDPX9B_NOTHING,
    INIT_RAM_06 = `SDPX9B_NOTHING, INIT_RAM_07 = `SDPX9B_NOTHING;
  parameter [287:0] INIT_RAM_08 = `SDPX9B_NOTHING, INIT_RAM_09 = `SDPX9B_NOTHING,
    INIT_RAM_0A = `SDPX9B_NOTHING, INIT_RAM_0B = `SDPX9B_NOTHING;
  parameter [287:0] INIT_RAM_0C = `SDPX9B_NOTHING, INIT_RAM_0D = `SDPX9B_NOTHING,
    INIT_RAM_0E = `SDPX9B_NOTHING, INIT_RAM_0F = `SDPX9B_NOTHING;
  parameter [287:0] INIT_RAM_10 = `SDPX9B_NOTHING, INIT_RAM_11 = `SDPX9B_NOTHING,
    INIT_RAM_12 = `SDPX9B_NOTHING, INIT_RAM_13 = `SDPX9B_NOTHING;
  parameter [287:0] INIT_RAM_14 = `SDPX9B_NOTHING, INIT_RAM_15 = `SDPX9B_NOTHING,
    INIT_RAM_16 = `SDPX9B_NOTHING, INIT_RAM_17 = `SDPX9B_NOTHING;
  parameter [287:0] INIT_RAM_18 = `SDPX9B_NOTHING, INIT_RAM_19 = `SDPX9B_NOTHING,
    INIT_RAM_1A = `SDPX9B_NOTHING, INIT_RAM_1B = `SDPX9B_NOTHING;
  parameter [287:0] INIT_RAM_1C = `SDPX9B_NOTHING, INIT_RAM_1D = `SDPX9B_NOTHING,
    INIT_RAM_1E = `SDPX9B_NOTHING, INIT_RAM_1F = `SDPX9B_NOTHING;
  parameter [287:0] INIT_RAM_20 = `SDPX9B_NOTHING, INIT_RAM_21 = `SDPX9B_NOTHING,
    INIT_RAM_22 = `SDPX9B_NOTHING, INIT_RAM_23 = `SDPX9B_NOTHING;
  parameter [287:0] INIT_RAM_24 = `SDPX9B_NOTHING, INIT_RAM_25 = `SDPX9B_NOTHING,
    INIT_RAM_26 = `SDPX9B_NOTHING, INIT_RAM_27 = `SDPX9B_NOTHING;
  parameter [287:0] INIT_RAM_28 = `SDPX9B_NOTHING, INIT_RAM_29 = `SDPX9B_NOTHING,
    INIT_RAM_2A = `SDPX9B_NOTHING, INIT_RAM_2B = `SDPX9B_NOTHING;
  parameter [287:0] INIT_RAM_2C = `SDPX9B_NOTHING, INIT_RAM_2D = `SDPX9B_NOTHING,
    INIT_RAM_2E = `SDPX9B_NOTHING, INIT_RAM_2F = `SDPX9B_NOTHING;
  parameter [287:0] INIT_RAM_30 = `SDPX9B_NOTHING, INIT_RAM_31 = `SDPX9B_NOTHING,
    INIT_RAM_32 = `SDPX9B_NOTHING, INIT_RAM_33 = `SDPX9B_NOTHING;
  parameter [287:0] INIT_RAM_34 = `SDPX9B_NOTHING, INIT_RAM_35 = `SDPX9B_NOTHING,
    INIT_RAM_36 = `SDPX9B_NOTHING, INIT_RAM_37 = `SDPX9B_NOTHING;
  parameter [287:0] INIT_RAM_38 = `SDPX9B_NOTHING, INIT_RAM_39 = `SDPX9B_NOTHING,
    INIT_RAM_3A = `SDPX9B_NOTHING, INIT_RAM_3B = `SDPX9B_NOTHING;
  parameter [287:0] INIT_RAM_3C = `SDPX9B_NOTHING, INIT_RAM_3D = `SDPX9B_NOTHING,
    INIT_RAM_3E = `SDPX9B_NOTHING, INIT_RAM_3F = `SDPX9B_NOTHING;
  localparam [18431:0] INIT = {
    INIT_RAM_3F, INIT_RAM_3E, INIT_RAM_3D, INIT_RAM_3C, INIT_RAM_3B, INIT_RAM_3A, INIT_RAM_39, INIT_RAM_38,
    INIT_RAM_37, INIT_RAM_36, INIT_RAM_35, INIT_RAM_34, INIT_RAM_33, INIT_RAM_32, INIT_RAM_31, INIT_RAM_30,
    INIT_RAM_2F, INIT_RAM_2E, INIT_RAM_2D, INIT_RAM_2C, INIT_RAM_2B, INIT_RAM_2A, INIT_RAM_29, INIT_RAM_28,
    INIT_RAM_27, INIT_RAM_26, INIT_RAM_25, INIT_RAM_24, INIT_RAM_23, INIT_RAM_22, INIT_RAM_21, INIT_RAM_20,
    INIT_RAM_1F, INIT_RAM_1E, INIT_RAM_1D, INIT_RAM_1C, INIT_RAM_1B, INIT_RAM_1A, INIT_RAM_19, INIT_RAM_18,
    INIT_RAM_17, INIT_RAM_16, INIT_RAM_15, INIT_RAM_14, INIT_RAM_13, INIT_RAM_12, INIT_RAM_11, INIT_RAM_10,
    INIT_RAM_0F, INIT_RAM_0E, INIT_RAM_0D, INIT_RAM_0C, INIT_RAM_0B, INIT_RAM_0A, INIT_RAM_09, INIT_RAM_08,
    INIT_RAM_07, INIT_RAM_06, INIT_RAM_05, INIT_RAM_04, INIT_RAM_03, INIT_RAM_02, INIT_RAM_01, INIT_RAM_00
  };

  reg [8:0] bytes [0:2047];
  integer index;
  initial for (index = 0; index < 2048; index = index + 1) bytes[index] = INIT[9 * index +: 9];

  // The byte that holds the lowest bit of a word.
  function [10:0] first_byte(input [13:0] address);
    first_byte = BIT_WIDTH_0 == 36 ? {address[13:5], 2'b00} : BIT_WIDTH_0 == 18 ? {address[13:4], 1'b0} : address[13:3];
  endfunction

  wire [10:0] from = first_byte(ADB), to = first_byte(ADA);
  wire [35:0] word = BIT_WIDTH_1 == 36 ? {bytes[from + 3], bytes[from + 2], bytes[from + 1], bytes[from]}
                   : BIT_WIDTH_1 == 18 ? {18'b0, bytes[from + 1], bytes[from]} : {27'b0, bytes[from]};
  reg [35:0] latch, register;
  integer part;

  always @(posedge CLKA)
    if (CEA)
      for (part = 0; part < BIT_WIDTH_0 / 9; part = part + 1)
        if (BIT_WIDTH_0 == 9 || ADA[part]) bytes[to + part[10:0]] <= DI[9 * part +: 9];
  always @(posedge CLKB) begin
    if (RESETB) latch <= 0; else if (CEB) latch <= CEA && from == to ? `SDPX9B_UNDEFINED : word;
    if (RESETB) register <= 0; else if (OCE) register <= latch;
  end
  assign DO = READ_MODE ? register : latch;
endmodule
