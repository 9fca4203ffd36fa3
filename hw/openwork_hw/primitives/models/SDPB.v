// The Gowin block memory SDPB: 16,384 bits, port A writes and port B reads words of 1, 2, 4 or 8 bits.
//
// Written from the part's behaviour. A word of w bits is addressed by the upper address pins. READ_MODE 1 adds an output register.
// A word that is read while it is written is undefined: x, or inverted where a simulator (Verilator) has no x. INIT_RAM_xx hold
// what is there at the start, 256 bits each; without them that is undefined, too. Not modelled: BLKSEL other than BLK_SEL,
// asynchronous reset, words of 16 and 32 bits, a read port that is wider than the write port or narrower.
`ifdef VERILATOR
  `define SDPB_UNDEFINED ~word
  `define SDPB_NOTHING {128{2'b10}}
`else
  `define SDPB_UNDEFINED 32'bx
  `define SDPB_NOTHING 256'bx
`endif
module SDPB (
  input CLKA, CEA, RESETA, CLKB, CEB, OCE, RESETB,
  input [13:0] ADA, ADB,
  input [2:0] BLKSELA, BLKSELB,
  input [31:0] DI,
  output [31:0] DO
);
  parameter READ_MODE = 1'b0, BIT_WIDTH_0 = 32, BIT_WIDTH_1 = 32, BLK_SEL_0 = 3'b000, BLK_SEL_1 = 3'b000;
  parameter RESET_MODE = "SYNC";
  parameter [255:0] INIT_RAM_00 = `SDPB_NOTHING, INIT_RAM_01 = `SDPB_NOTHING,
    INIT_RAM_02 = `SDPB_NOTHING, INIT_RAM_03 = `SDPB_NOTHING;
  parameter [255:0] INIT_RAM_04 = `SDPB_NOTHING, INIT_RAM_05 = `SDPB_NOTHING,
    INIT_RAM_06 = `SDPB_NOTHING, INIT_RAM_07 = `SDPB_NOTHING;
  parameter [255:0] INIT_RAM_08 = `SDPB_NOTHING, INIT_RAM_09 = `SDPB_NOTHING,
    INIT_RAM_0A = `SDPB_NOTHING, INIT_RAM_0B = `SDPB_NOTHING;
  parameter [255:0] INIT_RAM_0C = `SDPB_NOTHING, INIT_RAM_0D = `SDPB_NOTHING,
    INIT_RAM_0E = `SDPB_NOTHING, INIT_RAM_0F = `SDPB_NOTHING;
  parameter [255:0] INIT_RAM_10 = `SDPB_NOTHING, INIT_RAM_11 = `SDPB_NOTHING,
    INIT_RAM_12 = `SDPB_NOTHING, INIT_RAM_13 = `SDPB_NOTHING;
  parameter [255:0] INIT_RAM_14 = `SDPB_NOTHING, INIT_RAM_15 = `SDPB_NOTHING,
    INIT_RAM_16 = `SDPB_NOTHING, INIT_RAM_17 = `SDPB_NOTHING;
  parameter [255:0] INIT_RAM_18 = `SDPB_NOTHING, INIT_RAM_19 = `SDPB_NOTHING,
    INIT_RAM_1A = `SDPB_NOTHING, INIT_RAM_1B = `SDPB_NOTHING;
  parameter [255:0] INIT_RAM_1C = `SDPB_NOTHING, INIT_RAM_1D = `SDPB_NOTHING,
    INIT_RAM_1E = `SDPB_NOTHING, INIT_RAM_1F = `SDPB_NOTHING;
  parameter [255:0] INIT_RAM_20 = `SDPB_NOTHING, INIT_RAM_21 = `SDPB_NOTHING,
    INIT_RAM_22 = `SDPB_NOTHING, INIT_RAM_23 = `SDPB_NOTHING;
  parameter [255:0] INIT_RAM_24 = `SDPB_NOTHING, INIT_RAM_25 = `SDPB_NOTHING,
    INIT_RAM_26 = `SDPB_NOTHING, INIT_RAM_27 = `SDPB_NOTHING;
  parameter [255:0] INIT_RAM_28 = `SDPB_NOTHING, INIT_RAM_29 = `SDPB_NOTHING,
    INIT_RAM_2A = `SDPB_NOTHING, INIT_RAM_2B = `SDPB_NOTHING;
  parameter [255:0] INIT_RAM_2C = `SDPB_NOTHING, INIT_RAM_2D = `SDPB_NOTHING,
    INIT_RAM_2E = `SDPB_NOTHING, INIT_RAM_2F = `SDPB_NOTHING;
  parameter [255:0] INIT_RAM_30 = `SDPB_NOTHING, INIT_RAM_31 = `SDPB_NOTHING,
    INIT_RAM_32 = `SDPB_NOTHING, INIT_RAM_33 = `SDPB_NOTHING;
  parameter [255:0] INIT_RAM_34 = `SDPB_NOTHING, INIT_RAM_35 = `SDPB_NOTHING,
    INIT_RAM_36 = `SDPB_NOTHING, INIT_RAM_37 = `SDPB_NOTHING;
  parameter [255:0] INIT_RAM_38 = `SDPB_NOTHING, INIT_RAM_39 = `SDPB_NOTHING,
    INIT_RAM_3A = `SDPB_NOTHING, INIT_RAM_3B = `SDPB_NOTHING;
  parameter [255:0] INIT_RAM_3C = `SDPB_NOTHING, INIT_RAM_3D = `SDPB_NOTHING,
    INIT_RAM_3E = `SDPB_NOTHING, INIT_RAM_3F = `SDPB_NOTHING;
  localparam [16383:0] INIT = {
    INIT_RAM_3F, INIT_RAM_3E, INIT_RAM_3D, INIT_RAM_3C, INIT_RAM_3B, INIT_RAM_3A, INIT_RAM_39, INIT_RAM_38,
    INIT_RAM_37, INIT_RAM_36, INIT_RAM_35, INIT_RAM_34, INIT_RAM_33, INIT_RAM_32, INIT_RAM_31, INIT_RAM_30,
    INIT_RAM_2F, INIT_RAM_2E, INIT_RAM_2D, INIT_RAM_2C, INIT_RAM_2B, INIT_RAM_2A, INIT_RAM_29, INIT_RAM_28,
    INIT_RAM_27, INIT_RAM_26, INIT_RAM_25, INIT_RAM_24, INIT_RAM_23, INIT_RAM_22, INIT_RAM_21, INIT_RAM_20,
    INIT_RAM_1F, INIT_RAM_1E, INIT_RAM_1D, INIT_RAM_1C, INIT_RAM_1B, INIT_RAM_1A, INIT_RAM_19, INIT_RAM_18,
    INIT_RAM_17, INIT_RAM_16, INIT_RAM_15, INIT_RAM_14, INIT_RAM_13, INIT_RAM_12, INIT_RAM_11, INIT_RAM_10,
    INIT_RAM_0F, INIT_RAM_0E, INIT_RAM_0D, INIT_RAM_0C, INIT_RAM_0B, INIT_RAM_0A, INIT_RAM_09, INIT_RAM_08,
    INIT_RAM_07, INIT_RAM_06, INIT_RAM_05, INIT_RAM_04, INIT_RAM_03, INIT_RAM_02, INIT_RAM_01, INIT_RAM_00
  };
  localparam UNUSED = $clog2(BIT_WIDTH_0);

  reg [BIT_WIDTH_0-1:0] words [0:16384/BIT_WIDTH_0-1];
  integer index;
  initial for (index = 0; index < 16384 / BIT_WIDTH_0; index = index + 1) words[index] = INIT[BIT_WIDTH_0 * index +: BIT_WIDTH_0];

  wire [13-UNUSED:0] from = ADB[13:UNUSED], to = ADA[13:UNUSED];
  wire [BIT_WIDTH_0-1:0] word = words[from];
  reg [BIT_WIDTH_0-1:0] latch, register;

  always @(posedge CLKA) if (CEA) words[to] <= DI[BIT_WIDTH_0-1:0];
  always @(posedge CLKB) begin
    if (RESETB) latch <= 0; else if (CEB) latch <= CEA && from == to ? `SDPB_UNDEFINED : word;
    if (RESETB) register <= 0; else if (OCE) register <= latch;
  end
  assign DO = READ_MODE ? register : latch;
endmodule
