// Half a slice of ECP5 without its flip-flop, as nextpnr places it: a LUT4, half of a carry cell or of a small memory.
//
// Written from the part's behaviour. LOGIC: F = INITVAL[DCBA]. CCU2: F is that sum bit of CCU2C, FCO the carry behind it. DPRAM: 16
// bits, written at WAD in a cycle with WRE, read at once at {A, C, B, D}. RAMW_BLOCK: its place is taken by a TRELLIS_RAMW. OFX
// joins two LUTs to one of five inputs, or where WIDE two of those to one of six.
module TRELLIS_COMB (
  input A, B, C, D, M, FCI, F1, FXA, FXB, WD, WAD0, WAD1, WAD2, WAD3, WRE, WCK,
  output F, FCO, OFX
);
  parameter MODE = "LOGIC", CCU2_INJECT1 = "NO", WREMUX = "WRE";
  parameter [15:0] INITVAL = 0;
  parameter WIDE = 0;

  wire lut = INITVAL[{D, C, B, A}];
  generate
    if (MODE == "DPRAM") begin
      reg [15:0] bits = INITVAL;
      wire writes = WREMUX == "INV" ? ~WRE : WRE;
      always @(posedge WCK) if (writes) bits[{WAD3, WAD2, WAD1, WAD0}] <= WD;
      assign F = bits[{A, C, B, D}];
      assign FCO = 1'b0;
    end else if (MODE == "CCU2") begin
      wire cut = CCU2_INJECT1 == "YES";
      assign F = lut ^ (~cut & FCI);
      assign FCO = lut ? FCI : ~cut & INITVAL[{2'b00, B, A}];
    end else begin
      assign F = lut;
      assign FCO = 1'b0;
    end
    if (WIDE) assign OFX = M ? FXB : FXA;
    else assign OFX = M ? F1 : F;
  endgenerate
endmodule
