// The iCE40 UltraPlus memory SB_SPRAM256KA: 16,384 words of 16 bits, one port.
//
// Yosys' own model empties it, word by word, where the power goes, which makes a multiplexer of each word for a simulator that wants
// one flat design; this one is not switched off. What is read while it writes is undefined: x, or inverted where a simulator
// (Verilator) has no x. Not modelled: STANDBY, SLEEP and POWEROFF, which have to be 0, 0 and 1.
`ifdef VERILATOR
  `define SPRAM_UNDEFINED ~words[ADDRESS]
`else
  `define SPRAM_UNDEFINED 16'bx
`endif
module SB_SPRAM256KA (
  input [13:0] ADDRESS,
  input [15:0] DATAIN,
  input [3:0] MASKWREN,
  input WREN, CHIPSELECT, CLOCK, STANDBY, SLEEP, POWEROFF,
  output reg [15:0] DATAOUT
);
  reg [15:0] words [0:16383];
  integer part;
  always @(posedge CLOCK) if (CHIPSELECT) begin
    DATAOUT <= WREN ? `SPRAM_UNDEFINED : words[ADDRESS];
    if (WREN) for (part = 0; part < 4; part = part + 1)
      if (MASKWREN[part]) words[ADDRESS][4 * part +: 4] <= DATAIN[4 * part +: 4];
  end
endmodule
