"""LiteDRAM's controller on our model of an SDRAM chip: a second opinion on the model.

The core that LiteDRAM 2024.12 generates for ULX3S is started by the commands of its own start-up, with the eight refreshes that
the data sheet wants, and then writes and reads words in bursts of 32 at scattered places, over many refreshes. The model must not
complain but of `tras`, and every word must come back. LiteDRAM's state REFRESH of a bank waits for tWR and not for tRAS
(`litedram/core/bankmachine.py`), so that a refresh right behind an ACTIVATE closes that row a cycle early. With a module that has
no tRAS, such as its IS42S16160, tRC is broken, too. LiteDRAM is no dependency of ours:

    pip install --target build/litedram litedram==2024.12 litex==2024.12 pyyaml

`LITEDRAM_SITE` names another folder for it. Icarus Verilog runs both.
"""

import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from amaranth.back import rtlil

from openwork_dv.sdram.chip import SdramModel
from openwork_dv.sdram.violations import violated
from openwork_fpga.yosys import run_script
from openwork_hw.arch.sdram import SDRAM_CHIPS, SdramConfig

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "build" / "litedram_chip"
CORE = {
    "cpu": "None",
    "device": "LFE5U-85F-6BG381C",
    "memtype": "SDR",
    "sdram_module": "MT48LC16M16",
    "sdram_module_nb": 2,
    "sdram_rank_nb": 1,
    "sdram_phy": "GENSDRPHY",
    "input_clk_freq": 100e6,
    "sys_clk_freq": 100e6,
    "init_clk_freq": 100e6,
    "cmd_buffer_depth": 16,
    "user_ports": {"native": {"type": "native", "block_until_ready": False}},
}
CELLS = """
module OFS1P3BX(input D, input SCLK, input SP, input PD, output reg Q = 1);
  always @(posedge SCLK) Q <= PD ? 1'b1 : D;
endmodule
module IFS1P3BX(input D, input SCLK, input SP, input PD, output reg Q = 1);
  always @(posedge SCLK) Q <= PD ? 1'b1 : D;
endmodule
module FD1S3BX(input D, input CK, input PD, output reg Q = 1);
  always @(posedge CK or posedge PD) if (PD) Q <= 1'b1; else Q <= D;
endmodule
module TRELLIS_IO #(parameter DIR = "BIDIR") (inout B, input I, input T, output O);
  assign B = T ? 1'bz : I;
  assign O = B;
endmodule
"""
"""Device cells that the core uses, in their plain form."""

BENCH = """
`timescale 1ns/1ps
module bench;
  reg clk = 0, rst = 1;
  always #5 clk = ~clk;
  wire [12:0] a; wire [1:0] ba; wire ras_n, cas_n, we_n, cs_n, cke; wire [1:0] dm; wire [15:0] dq, dq_i;
  reg [29:0] adr = 0; reg [31:0] dat = 0; reg cyc = 0; wire ack;
  reg [23:0] cmd_addr = 0; reg cmd_valid = 0, cmd_we = 0; wire cmd_ready;
  reg [15:0] wdata = 0; wire wdata_ready, rdata_valid; reg wdata_valid = 0; wire [15:0] rdata;
  litedram_core core(.clk(clk), .rst(rst), .sdram_a(a), .sdram_ba(ba), .sdram_ras_n(ras_n), .sdram_cas_n(cas_n),
    .sdram_we_n(we_n), .sdram_cs_n(cs_n), .sdram_cke(cke), .sdram_dm(dm), .sdram_dq(dq),
    .user_port_native_cmd_addr(cmd_addr), .user_port_native_cmd_valid(cmd_valid), .user_port_native_cmd_we(cmd_we),
    .user_port_native_cmd_ready(cmd_ready), .user_port_native_wdata_data(wdata), .user_port_native_wdata_we(2'b11),
    .user_port_native_wdata_valid(wdata_valid), .user_port_native_wdata_ready(wdata_ready),
    .user_port_native_rdata_data(rdata), .user_port_native_rdata_valid(rdata_valid), .user_port_native_rdata_ready(1'b1),
    .wb_ctrl_adr(adr), .wb_ctrl_dat_w(dat), .wb_ctrl_cyc(cyc), .wb_ctrl_stb(cyc), .wb_ctrl_we(1'b1), .wb_ctrl_sel(4'hf),
    .wb_ctrl_cti(3'b0), .wb_ctrl_bte(2'b0), .wb_ctrl_ack(ack));
  wire core_drives = ~core.TRELLIS_IO.T;
  assign dq = core_drives ? 16'bz : dq_i;
  wire [VIOLATIONS-1:0] seen, now; wire [31:0] bad;
  // As on ULX3S, the chip's clock is a quarter of a cycle late, so that a command reaches the chip in its own cycle.
  wire #2.5 chip_clk = clk;
  chip chip(.clk(chip_clk), .rst(1'b0),
    .pins__a(a[ADDRESS:0]), .pins__ba(ba), .pins__ras_n(ras_n), .pins__cas_n(cas_n), .pins__we_n(we_n),
    .pins__cs_n(cs_n), .pins__cke(cke), .pins__dqm(dm), .pins__dq_o(dq), .pins__dq_oe(core_drives), .pins__dq_i(dq_i),
    .seen(seen), .violations(now), .count(bad));

  task write_register(input [31:0] address, input [31:0] value);
    begin
      @(posedge clk); adr <= address >> 2; dat <= value; cyc <= 1;
      @(posedge clk); while (!ack) @(posedge clk);
      cyc <= 0; @(posedge clk);
    end
  endtask
  task give(input [31:0] command, input [31:0] address);
    begin
      write_register(32'h80c, address); write_register(32'h810, 0);
      write_register(32'h804, command); write_register(32'h808, 1);
      repeat (16) @(posedge clk);
    end
  endtask
  function [23:0] place(input integer number);
    place = (((number >> 5) * 40503 * 32) + (number & 31)) & 24'h01ffff;
  endfunction
  function [15:0] word(input integer number); word = number * 40961 + (number >> 7) + 1; endfunction

  integer asked = 0, written = 0, to_read = 0, wrong = 0, reports = 0, i;
  always @(posedge clk) begin
    if (wdata_valid && wdata_ready) begin
      written = written + 1;
      wdata <= word(written);
    end
    if (rdata_valid) begin
      if (rdata !== word(to_read)) begin
        wrong = wrong + 1;
        if (wrong < 5) $display("word %0d is %h and not %h", to_read, rdata, word(to_read));
      end
      to_read = to_read + 1;
    end
    if (now && reports < 10) begin reports = reports + 1; $display("violation %h at %0t", now, $time); end
  end
  task ask(input we, input integer number);
    begin
      cmd_addr <= place(number); cmd_we <= we; cmd_valid <= 1;
      @(posedge clk); while (!cmd_ready) @(posedge clk);
      cmd_valid <= 0;
    end
  endtask
  initial begin
    repeat (20) @(posedge clk);
    rst <= 0;
    repeat (20) @(posedge clk);
    // Icarus loses the first write: blocks of which no input has changed have not run yet.
    write_register(32'h004, 0);
    write_register(32'h800, 32'h0e);
    repeat (20100) @(posedge clk);
    give(32'h0b, 32'h400);
    repeat (8) give(32'h0d, 0);
    give(32'h0f, 32'h020);
    write_register(32'h800, 32'h01);
    write_register(32'h000, 1);
    wdata <= word(0); wdata_valid <= 1;
    for (i = 0; i < WORDS; i = i + 1) ask(1, i);
    while (written < WORDS) @(posedge clk);
    wdata_valid <= 0;
    for (i = 0; i < WORDS; i = i + 1) ask(0, i);
    repeat (200) @(posedge clk);
    $display("seen=%h bad=%0d written=%0d read=%0d wrong=%0d cycles=%0d", seen, bad, written, to_read, wrong, $time / 10);
    $finish;
  end
endmodule
"""
WORDS = 16384
KNOWN = {"tras"}
"""What LiteDRAM does that the data sheet forbids."""


def main() -> int:
    """Generate the core, run both, and say what the model said."""
    site = Path(os.environ.get("LITEDRAM_SITE", ROOT / "build" / "litedram"))
    if not (site / "litedram").is_dir():
        print(f"there is no LiteDRAM in {site}: pip install --target {site} litedram==2024.12 litex==2024.12 pyyaml")
        return 2
    FOLDER.mkdir(parents=True, exist_ok=True)
    (FOLDER / "core.yml").write_text(json.dumps(CORE))
    generate = [sys.executable, "-m", "litedram.gen", "core.yml", "--output-dir", "core"]
    environment = os.environ | {"PYTHONPATH": str(site)}
    quiet = ["--no-compile-gateware", "--no-compile-software"]
    subprocess.run([*generate, *quiet], cwd=FOLDER, env=environment, check=True, capture_output=True)
    core = (FOLDER / "core" / "gateware" / "litedram_core.v").read_text()
    # The pins are driven, though the core calls them inputs.
    (FOLDER / "core.v").write_text(re.sub(r"input( +wire +\[15:0\] sdram_dq)", r"inout\1", core))

    # As many rows as the traffic uses, refreshed as often as 8,192 are, with the same slack.
    whole = SDRAM_CHIPS["IS42S16160G"]
    rows = 64
    retention = whole.retention * rows / whole.refreshes + (whole.retention - 7810 * whole.refreshes)
    config = SdramConfig(replace(whole, row_bits=6, refreshes=rows, retention=retention), 100e6)
    (FOLDER / "chip.il").write_text(rtlil.convert(SdramModel(config), name="chip", emit_src=False))
    run_script(
        "read_rtlil chip.il\nproc\npmuxtree\nflatten\nopt_clean\nmemory_collect\nwrite_verilog -noattr chip.v\n", FOLDER
    )
    (FOLDER / "cells.v").write_text(CELLS)
    bits = re.search(r"output(?: wire)? +\[(\d+):0\] seen", (FOLDER / "chip.v").read_text())
    assert bits, "the model has a port of violations"
    bench = (
        BENCH.replace("ADDRESS", str(config.chip.address_pins - 1))
        .replace("VIOLATIONS-1", bits[1])
        .replace("WORDS", str(WORDS))
    )
    (FOLDER / "bench.v").write_text(bench)
    sources = ["bench.v", "chip.v", "cells.v", "core.v"]
    subprocess.run(["iverilog", "-g2005-sv", "-s", "bench", "-o", "bench", *sources], cwd=FOLDER, check=True)
    said = subprocess.run(["vvp", "-n", "bench"], cwd=FOLDER, check=True, capture_output=True, text=True).stdout
    print(said, end="")
    found = re.search(r"seen=(\w+) bad=(\d+) written=(\d+) read=(\d+) wrong=(\d+)", said)
    assert found, said
    names = violated(int(found[1], 16))
    print(f"violations: {', '.join(names) or 'none'}; {found[4]} words read, {found[5]} wrong")
    return int(set(names) - KNOWN != set() or found[5] != "0" or int(found[4]) != WORDS)


if __name__ == "__main__":
    sys.exit(main())
