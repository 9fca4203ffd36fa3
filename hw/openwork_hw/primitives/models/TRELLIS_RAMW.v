// The write port of a small memory of ECP5: the inputs of two LUTs become data and address for the memory in two other slices.
//
// Written from the part's behaviour.
module TRELLIS_RAMW (
  input A0, A1, B0, B1, C0, C1, D0, D1,
  output WDO0, WDO1, WDO2, WDO3, WADO0, WADO1, WADO2, WADO3
);
  assign {WADO3, WADO2, WADO1, WADO0} = {A0, C0, B0, D0};
  assign {WDO3, WDO2, WDO1, WDO0} = {B1, D1, A1, C1};
endmodule
