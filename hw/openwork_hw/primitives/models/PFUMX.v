// The ECP5 multiplexer PFUMX behind two look-up tables: Z = C0 ? ALUT : BLUT.
module PFUMX (
  input ALUT, BLUT, C0,
  output Z
);
  assign Z = C0 ? ALUT : BLUT;
endmodule
