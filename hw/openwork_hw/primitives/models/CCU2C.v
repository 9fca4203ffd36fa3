// The ECP5 carry cell CCU2C: two bits of an adder behind two LUTs.
//
// Written from the part's behaviour: each half has LUT4(INIT)(A, B, C, D) as its sum without carry; where that is 0 its
// carry is INIT[3:0](A, B), else the carry that came in. INJECT1 "YES" cuts the carry into a half.
module CCU2C (
  input CIN, A0, B0, C0, D0, A1, B1, C1, D1,
  output S0, S1, COUT
);
  parameter [15:0] INIT0 = 0, INIT1 = 0;
  parameter [23:0] INJECT1_0 = "YES", INJECT1_1 = "YES";

  wire sum0 = INIT0[{D0, C0, B0, A0}], sum1 = INIT1[{D1, C1, B1, A1}];
  wire generate0 = INJECT1_0 != "YES" & INIT0[{2'b00, B0, A0}], generate1 = INJECT1_1 != "YES" & INIT1[{2'b00, B1, A1}];
  wire carry = sum0 ? CIN : generate0;
  assign S0 = sum0 ^ (INJECT1_0 != "YES" & CIN);
  assign S1 = sum1 ^ (INJECT1_1 != "YES" & carry);
  assign COUT = sum1 ? carry : generate1;
endmodule
