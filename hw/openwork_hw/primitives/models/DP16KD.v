// The ECP5 block memory DP16KD: 18,432 bits, two ports of 1, 2, 4, 9 or 18 bits, or of 36 with A writing and B reading.
//
// Written from the part's behaviour. A word of w bits is addressed by the upper address pins; the lowest pins of a
// writing port are its byte enables where w is 18 or 36. A port keeps its output while it writes (WRITEMODE "NORMAL").
// REGMODE "OUTREG" adds an output register. In 36-bit words DIB:DIA is written at port A's address and DOB:DOA read at
// port B's. A word read by one port while the other writes it is undefined: x, or inverted where a simulator (Verilator) has no
// x. INITVAL_xx hold what is there at the start, 16 times 18 bits each, in places of 20. Not modelled: other write modes,
// asynchronous and global reset, CSDECODE other than "0b000"; for a
// cell seen through ports of different widths below 9 the order of bits is a choice of this model.
module DP16KD (
  input DIA0, DIA1, DIA2, DIA3, DIA4, DIA5, DIA6, DIA7, DIA8, DIA9, DIA10, DIA11, DIA12, DIA13, DIA14, DIA15, DIA16,
    DIA17,
  input ADA0, ADA1, ADA2, ADA3, ADA4, ADA5, ADA6, ADA7, ADA8, ADA9, ADA10, ADA11, ADA12, ADA13,
  input CEA, OCEA, CLKA, WEA, RSTA, CSA0, CSA1, CSA2,
  output DOA0, DOA1, DOA2, DOA3, DOA4, DOA5, DOA6, DOA7, DOA8, DOA9, DOA10, DOA11, DOA12, DOA13, DOA14, DOA15, DOA16,
    DOA17,
  input DIB0, DIB1, DIB2, DIB3, DIB4, DIB5, DIB6, DIB7, DIB8, DIB9, DIB10, DIB11, DIB12, DIB13, DIB14, DIB15, DIB16,
    DIB17,
  input ADB0, ADB1, ADB2, ADB3, ADB4, ADB5, ADB6, ADB7, ADB8, ADB9, ADB10, ADB11, ADB12, ADB13,
  input CEB, OCEB, CLKB, WEB, RSTB, CSB0, CSB1, CSB2,
  output DOB0, DOB1, DOB2, DOB3, DOB4, DOB5, DOB6, DOB7, DOB8, DOB9, DOB10, DOB11, DOB12, DOB13, DOB14, DOB15, DOB16,
    DOB17
);
  parameter DATA_WIDTH_A = 18, DATA_WIDTH_B = 18, REGMODE_A = "NOREG", REGMODE_B = "NOREG";
  parameter RESETMODE = "SYNC", ASYNC_RESET_RELEASE = "SYNC", GSR = "ENABLED";
  parameter CSDECODE_A = "0b000", CSDECODE_B = "0b000", WRITEMODE_A = "NORMAL", WRITEMODE_B = "NORMAL";
  parameter CLKAMUX = "CLKA", CLKBMUX = "CLKB";
  parameter [319:0] INITVAL_00 = 0, INITVAL_01 = 0, INITVAL_02 = 0, INITVAL_03 = 0;
  parameter [319:0] INITVAL_04 = 0, INITVAL_05 = 0, INITVAL_06 = 0, INITVAL_07 = 0;
  parameter [319:0] INITVAL_08 = 0, INITVAL_09 = 0, INITVAL_0A = 0, INITVAL_0B = 0;
  parameter [319:0] INITVAL_0C = 0, INITVAL_0D = 0, INITVAL_0E = 0, INITVAL_0F = 0;
  parameter [319:0] INITVAL_10 = 0, INITVAL_11 = 0, INITVAL_12 = 0, INITVAL_13 = 0;
  parameter [319:0] INITVAL_14 = 0, INITVAL_15 = 0, INITVAL_16 = 0, INITVAL_17 = 0;
  parameter [319:0] INITVAL_18 = 0, INITVAL_19 = 0, INITVAL_1A = 0, INITVAL_1B = 0;
  parameter [319:0] INITVAL_1C = 0, INITVAL_1D = 0, INITVAL_1E = 0, INITVAL_1F = 0;
  parameter [319:0] INITVAL_20 = 0, INITVAL_21 = 0, INITVAL_22 = 0, INITVAL_23 = 0;
  parameter [319:0] INITVAL_24 = 0, INITVAL_25 = 0, INITVAL_26 = 0, INITVAL_27 = 0;
  parameter [319:0] INITVAL_28 = 0, INITVAL_29 = 0, INITVAL_2A = 0, INITVAL_2B = 0;
  parameter [319:0] INITVAL_2C = 0, INITVAL_2D = 0, INITVAL_2E = 0, INITVAL_2F = 0;
  parameter [319:0] INITVAL_30 = 0, INITVAL_31 = 0, INITVAL_32 = 0, INITVAL_33 = 0;
  parameter [319:0] INITVAL_34 = 0, INITVAL_35 = 0, INITVAL_36 = 0, INITVAL_37 = 0;
  parameter [319:0] INITVAL_38 = 0, INITVAL_39 = 0, INITVAL_3A = 0, INITVAL_3B = 0;
  parameter [319:0] INITVAL_3C = 0, INITVAL_3D = 0, INITVAL_3E = 0, INITVAL_3F = 0;
  localparam [20479:0] INIT = {
    INITVAL_3F, INITVAL_3E, INITVAL_3D, INITVAL_3C, INITVAL_3B, INITVAL_3A, INITVAL_39, INITVAL_38,
    INITVAL_37, INITVAL_36, INITVAL_35, INITVAL_34, INITVAL_33, INITVAL_32, INITVAL_31, INITVAL_30,
    INITVAL_2F, INITVAL_2E, INITVAL_2D, INITVAL_2C, INITVAL_2B, INITVAL_2A, INITVAL_29, INITVAL_28,
    INITVAL_27, INITVAL_26, INITVAL_25, INITVAL_24, INITVAL_23, INITVAL_22, INITVAL_21, INITVAL_20,
    INITVAL_1F, INITVAL_1E, INITVAL_1D, INITVAL_1C, INITVAL_1B, INITVAL_1A, INITVAL_19, INITVAL_18,
    INITVAL_17, INITVAL_16, INITVAL_15, INITVAL_14, INITVAL_13, INITVAL_12, INITVAL_11, INITVAL_10,
    INITVAL_0F, INITVAL_0E, INITVAL_0D, INITVAL_0C, INITVAL_0B, INITVAL_0A, INITVAL_09, INITVAL_08,
    INITVAL_07, INITVAL_06, INITVAL_05, INITVAL_04, INITVAL_03, INITVAL_02, INITVAL_01, INITVAL_00
  };

  reg [8:0] bytes [0:2047];
  integer index;
  initial for (index = 0; index < 2048; index = index + 1) bytes[index] = INIT[20 * (index / 2) + 9 * (index % 2) +: 9];

  // Port A. Words of 18 and 36 bits take the lowest address pins of a writing port as byte enables.
  wire [17:0] da = {DIA17, DIA16, DIA15, DIA14, DIA13, DIA12, DIA11, DIA10, DIA9, DIA8, DIA7, DIA6, DIA5, DIA4, DIA3,
    DIA2, DIA1, DIA0};
  wire [13:0] aa = {ADA13, ADA12, ADA11, ADA10, ADA9, ADA8, ADA7, ADA6, ADA5, ADA4, ADA3, ADA2, ADA1, ADA0};
  wire write_a = CEA & WEA & ({CSA2, CSA1, CSA0} == 3'b000);
  wire read_a = CEA & ~WEA & ({CSA2, CSA1, CSA0} == 3'b000);
  reg [35:0] latch_a, register_a;
  initial {latch_a, register_a} = 0;

  // Port B. Words of 18 and 36 bits take the lowest address pins of a writing port as byte enables.
  wire [17:0] db = {DIB17, DIB16, DIB15, DIB14, DIB13, DIB12, DIB11, DIB10, DIB9, DIB8, DIB7, DIB6, DIB5, DIB4, DIB3,
    DIB2, DIB1, DIB0};
  wire [13:0] ab = {ADB13, ADB12, ADB11, ADB10, ADB9, ADB8, ADB7, ADB6, ADB5, ADB4, ADB3, ADB2, ADB1, ADB0};
  wire write_b = CEB & WEB & ({CSB2, CSB1, CSB0} == 3'b000);
  wire read_b = CEB & ~WEB & ({CSB2, CSB1, CSB0} == 3'b000);
  reg [35:0] latch_b, register_b;
  initial {latch_b, register_b} = 0;

  // The byte that holds the lowest bit of a word.
  function [10:0] first_byte(input integer width, input [13:0] address);
    first_byte = width == 36 ? {address[13:5], 2'b00} : width == 18 ? {address[13:4], 1'b0} : address[13:3];
  endfunction

  function [35:0] word(input integer width, input [13:0] address);
    reg [8:0] low;
    begin
      low = bytes[first_byte(width, address)];
      case (width)
        36: word = {bytes[first_byte(width, address) + 3], bytes[first_byte(width, address) + 2],
                    bytes[first_byte(width, address) + 1], low};
        18: word = {18'b0, bytes[first_byte(width, address) + 1], low};
        9: word = {27'b0, low};
        4: word = {32'b0, low[4 * address[2] +: 4]};
        2: word = {34'b0, low[2 * address[2:1] +: 2]};
        default: word = {35'b0, low[{1'b0, address[2:0]}]};
      endcase
    end
  endfunction

  task write(input integer width, input [13:0] address, input [35:0] value);
    integer part;
    case (width)
      36, 18:
        for (part = 0; part < width / 9; part = part + 1)
          if (address[part]) bytes[first_byte(width, address) + part[10:0]] <= value[9 * part +: 9];
      9: bytes[first_byte(width, address)] <= value[8:0];
      4: bytes[first_byte(width, address)][4 * address[2] +: 4] <= value[3:0];
      2: bytes[first_byte(width, address)][2 * address[2:1] +: 2] <= value[1:0];
      default: bytes[first_byte(width, address)][{1'b0, address[2:0]}] <= value[0];
    endcase
  endtask

`ifdef VERILATOR
  `define UNDEFINED(width, address) ~word(width, address)
`else
  `define UNDEFINED(width, address) 36'bx
`endif

  localparam WIDE = DATA_WIDTH_A == 36;
  wire same_a = write_b && (aa >> 5) == (ab >> 5);
  wire same_b = write_a && first_byte(DATA_WIDTH_A, aa) == first_byte(DATA_WIDTH_B, ab)
                && (DATA_WIDTH_A >= 9 || ((aa ^ ab) & (14'h3fff << $clog2(DATA_WIDTH_A))) == 0);

  always @(posedge CLKA) begin
    if (RSTA) latch_a <= 0;
    else if (read_a) latch_a <= same_a ? `UNDEFINED(DATA_WIDTH_A, aa) : word(DATA_WIDTH_A, aa);
    if (RSTA) register_a <= 0; else if (OCEA) register_a <= latch_a;
  end
  always @(posedge CLKB) begin
    if (RSTB) latch_b <= 0;
    else if (read_b) latch_b <= same_b ? `UNDEFINED(DATA_WIDTH_B, ab) : word(DATA_WIDTH_B, ab);
    if (RSTB) register_b <= 0; else if (OCEB) register_b <= latch_b;
  end
  always @(posedge CLKA) if (write_a) write(DATA_WIDTH_A, aa, WIDE ? {db, da} : {18'b0, da});
  always @(posedge CLKB) if (write_b && !WIDE) write(DATA_WIDTH_B, ab, {18'b0, db});

  wire [35:0] out_a = REGMODE_A == "OUTREG" ? register_a : latch_a;
  wire [35:0] out_b = REGMODE_B == "OUTREG" ? register_b : latch_b;
  assign {DOA17, DOA16, DOA15, DOA14, DOA13, DOA12, DOA11, DOA10, DOA9, DOA8, DOA7, DOA6, DOA5, DOA4, DOA3, DOA2, DOA1,
    DOA0} = WIDE ? out_b[17:0] : out_a[17:0];
  assign {DOB17, DOB16, DOB15, DOB14, DOB13, DOB12, DOB11, DOB10, DOB9, DOB8, DOB7, DOB6, DOB5, DOB4, DOB3, DOB2, DOB1,
    DOB0} = WIDE ? out_b[35:18] : out_b[17:0];
endmodule
