// The pad of ECP5, for a pin that is an input or an output and not both.
//
// Written from the part's behaviour; T, which lets go of an output, is not modelled.
module TRELLIS_IO (inout B, input I, T, output O);
  parameter DIR = "INPUT";
  generate
    if (DIR == "INPUT") assign O = B;
    else assign B = I;
  endgenerate
endmodule
