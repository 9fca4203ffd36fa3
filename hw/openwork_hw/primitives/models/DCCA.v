// The buffer of ECP5 in front of a clock net, with its gate.
//
// Written from the part's behaviour; the gate is modelled without its latch: here it is always open.
module DCCA (input CLKI, CE, output CLKO);
  assign CLKO = CLKI;
endmodule
