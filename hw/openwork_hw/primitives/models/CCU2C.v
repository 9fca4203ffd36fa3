// The ECP5 carry cell CCU2C: two bits of an adder behind two LUTs.
//
// Written from the part's behaviour: each half has LUT4(INIT)(A, B, C, D) as its sum without carry; where that is 0 its
// carry is INIT[3:0](A, B), else the carry that came in. INJECT1 "YES" cuts the carry into a half. A LUT's output is defined where
// undefined inputs make no difference: a sum that is cleared forgets what it was.
module CCU2C (
  input CIN, A0, B0, C0, D0, A1, B1, C1, D1,
  output S0, S1, COUT
);
  parameter [15:0] INIT0 = 0, INIT1 = 0;
  parameter [23:0] INJECT1_0 = "YES", INJECT1_1 = "YES";

  function lookup(input [15:0] init, input a, input b, input c, input d);
    reg [7:0] by_d;
    reg [3:0] by_c;
    reg [1:0] by_b;
    begin
      by_d = d ? init[15:8] : init[7:0];
      by_c = c ? by_d[7:4] : by_d[3:0];
      by_b = b ? by_c[3:2] : by_c[1:0];
      lookup = a ? by_b[1] : by_b[0];
    end
  endfunction

  wire sum0 = lookup(INIT0, A0, B0, C0, D0), sum1 = lookup(INIT1, A1, B1, C1, D1);
  wire generate0 = INJECT1_0 != "YES" & lookup(INIT0, A0, B0, 1'b0, 1'b0);
  wire generate1 = INJECT1_1 != "YES" & lookup(INIT1, A1, B1, 1'b0, 1'b0);
  wire carry = sum0 ? CIN : generate0;
  assign S0 = sum0 ^ (INJECT1_0 != "YES" & CIN);
  assign S1 = sum1 ^ (INJECT1_1 != "YES" & carry);
  assign COUT = sum1 ? carry : generate1;
endmodule
