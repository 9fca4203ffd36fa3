// The ECP5 multiplexer L6MUX21 behind two others: Z = SD ? D1 : D0.
module L6MUX21 (
  input D0, D1, SD,
  output Z
);
  assign Z = SD ? D1 : D0;
endmodule
