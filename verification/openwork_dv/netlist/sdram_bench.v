// A board whose SDRAM chip takes its time, for the netlist of an SdramTester on a ULX3S with 11 address pins.
//
// A word that the chip sends is on the pins from ACCESS_PS after its clock to KEPT_PS after the next one; before and after it
// there is something else. What the chip gets must not change from SETUP_PS before its clock to HOLD_PS after it.
`timescale 1ps/1ps

module bench;
  reg oscillator = 0;
  always #20000 oscillator = ~oscillator;

  wire clk, cke, cs_n, ras_n, cas_n, we_n, tx;
  wire [1:0] ba, dqm;
  wire [10:0] a;
  wire [15:0] dq;
  top dut (
      .clk25_0__io(oscillator), .uart_0__rx__io(1'b1), .uart_0__tx__io(tx), .sdram_0__clk__io(clk), .sdram_0__clk_en__io(cke),
      .sdram_0__cs__io(cs_n), .sdram_0__ras__io(ras_n), .sdram_0__cas__io(cas_n), .sdram_0__we__io(we_n), .sdram_0__ba__io(ba),
      .sdram_0__a__io(a), .sdram_0__dqm__io(dqm), .sdram_0__dq__io(dq)
  );

  reg [15:0] out;
  reg out_on = 0;
  assign dq = out_on ? out : 16'hzzzz;
  wire oe = !out_on && dq !== 16'hzzzz;
  wire [15:0] word;
  wire [`RULES-1:0] seen;
  sdram_chip chip (
      .clk(clk), .rst(1'b0), .pins__cke(cke), .pins__cs_n(cs_n), .pins__ras_n(ras_n), .pins__cas_n(cas_n), .pins__we_n(we_n),
      .pins__ba(ba), .pins__a(a), .pins__dqm(dqm), .pins__dq_o(dq), .pins__dq_oe(oe), .pins__dq_i(word), .seen(seen)
  );

  // Of the CAS latency 2.
  reg [2:0] reads = 0;
  integer refreshes = 0;
  always @(posedge clk) begin
    reads <= {reads[1:0], {cs_n, ras_n, cas_n, we_n} === 4'b0101};
    if ({cs_n, ras_n, cas_n, we_n} === 4'b0001) refreshes = refreshes + 1;
    #1;
    if (reads[1] || reads[2]) begin
      out <= #(`KEPT_PS - 1) $random;
      out_on <= #(`KEPT_PS - 1) 1;
      out <= #(`ACCESS_PS - 1) word;
      out_on <= #(`ACCESS_PS - 1) reads[1];
    end
  end

  // What the chip gets, and when it changed last; data only where they are written.
  wire [18:0] given = {cs_n, ras_n, cas_n, we_n, ba, a, dqm};
  time changed = 0, data_changed = 0, rose = 0;
  integer missed = 0, contended = 0;
  reg writes = 0;
  always @(given) begin
    if (rose && $time - rose < `HOLD_PS) missed = missed + 1;
    changed = $time;
  end
  always @(dq) begin
    if (writes && $time - rose < `HOLD_PS) missed = missed + 1;
    if (out_on && ^dq === 1'bx) contended = contended + 1;
    data_changed = $time;
  end
  always @(posedge clk) begin
    rose = $time;
    writes = {cs_n, ras_n, cas_n, we_n} === 4'b0100;
    if ($time - changed < `SETUP_PS || (writes && $time - data_changed < `SETUP_PS)) missed = missed + 1;
  end

  integer bit_number, count = 0;
  reg [7:0] said;
  initial begin
    $write("said ");
    while (count < `BYTES) begin
      @(negedge tx);
      #(`BIT_PS / 2);
      for (bit_number = 0; bit_number < 8; bit_number = bit_number + 1) begin
        #(`BIT_PS);
        said[bit_number] = tx;
      end
      #(`BIT_PS);
      $write("%c", said);
      count = count + 1;
    end
    $display("\nseen %0d\nmissed %0d\ncontended %0d\nrefreshes %0d", seen, missed, contended, refreshes);
    $finish;
  end
  initial begin
    #(`PATIENCE_PS);
    $display("\nseen %0d\nmissed %0d\ncontended %0d\nrefreshes %0d", seen, missed, contended, refreshes);
    $finish;
  end
endmodule
