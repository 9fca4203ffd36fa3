"""Decides properties with Yosys and ABC, which pyosys brings along.

Amaranth writes RTLIL, Yosys makes an and-inverter graph of it, and ABC decides: `pdr` (property directed reachability) finds
an invariant that no reachable state leaves and that excludes every violation, and checks it; so a proof holds for runs of any
length. A counterexample is not believed either: it is played to Amaranth's own simulator, which must see the same claim broken.
"""

import re
import subprocess
from collections.abc import Collection
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from amaranth.back import rtlil
from amaranth.sim import Simulator

from openwork_dv.formal.properties import Properties
from openwork_fpga.yosys import run_script
from openwork_hw.arch.refusal import Refusal

_AIGER = """
read_rtlil design.il
hierarchy -top top
proc
flatten
{start}
memory_map
setundef -undriven -anyseq
opt
techmap
opt -fast
setundef -anyseq
dffunmap
formalff -clk2ff
simplemap
aigmap
design -save all
delete -output w:reached__*
opt_clean
write_aiger -zinit -no-startoffset -map claims.map claims.aig
design -load all
delete -output w:broken__*
opt_clean
write_aiger -zinit -no-startoffset goals.aig
"""


class ProofError(Refusal):
    """The solver stopped before it had an answer; the message says at what."""


@dataclass(frozen=True)
class Counterexample:
    """A run whose last cycle breaks a claim.

    Attributes:
        claim: its name.
        inputs: for each cycle the value of each input.
        waves: the same run as a VCD file.
    """

    claim: str
    inputs: tuple[dict[str, int], ...]
    waves: Path

    def __str__(self) -> str:
        return f"{self.claim} is broken in cycle {len(self.inputs) - 1} (waves: {self.waves})"


class Prover:
    """Properties, ready for the solver.

    Args:
        properties: of one component; nothing can be added to them any more.
        folder: what is made for the solver and the waves go there.
        from_any_state: runs begin with anything in the component's registers, reachable or not. Where no register feeds back
            into itself, so that a cycle depends on the inputs of the last n only, then n + 1 cycles stand for runs of any length.
    """

    def __init__(self, properties: Properties, folder: Path, *, from_any_state: bool = False) -> None:
        self._properties = properties
        self._folder = folder
        self._module = properties.finish()
        outputs = [*properties.broken.values(), *properties.reached.values()]
        ports = [properties.clock.clk, *properties.inputs.values(), *outputs]
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "design.il").write_text(rtlil.convert(self._module, name="top", ports=ports, emit_src=False))
        run_script(_AIGER.format(start="setattr -unset init w:component.*" if from_any_state else ""), folder)

    def unproved(self, *, but: Collection[str] = (), seconds: int = 300) -> list[str]:
        """The claims that are not proved within `seconds` each; all others hold in every cycle of every run, however long.

        Claims named by `but` are left out.
        """
        self._abc("read_aiger claims.aig; scorr; write_aiger reduced.aig")
        unproved = []
        output = 0
        for name, flags in self._properties.broken.items():
            if name not in but:
                said = self._abc(f"&r reduced.aig; &cone -O {output} -R {len(flags)}; &put; pdr -a -T {seconds}")
                if len(set(re.findall(r"Proved output +(\d+)", said))) != len(flags):
                    unproved.append(name)
            output += len(flags)
        return unproved

    def counterexample(self, *, cycles: int, seconds: int = 300) -> Counterexample | None:
        """The shortest run that breaks a claim; None says that none of up to `cycles` cycles does.

        Raises:
            ProofError: that took longer than `seconds`.
        """
        said = self._abc(
            f"read_aiger claims.aig; scorr; bmc3 -T {seconds} -F {cycles}; write_cex -a counterexample.aiw"
        )
        found = re.search(r"Output (\d+) of miter .* was asserted in frame", said)
        if found:
            names = [name for name, flags in self._properties.broken.items() for _ in flags]
            return self._replay(names[int(found[1])])
        if f"No output asserted in {cycles} frames" not in said:
            raise ProofError(f"no answer for {cycles} cycles within {seconds} s: {said}")
        return None

    def unreached(self, *, cycles: int, seconds: int = 300) -> list[str]:
        """The things that must be possible and are not seen to be within `cycles` cycles."""
        unreached = []
        for output, name in enumerate(self._properties.reached):
            said = self._abc(f"&r goals.aig; &cone -O {output} -R 1; &put; bmc3 -T {seconds} -F {cycles}")
            if "was asserted in frame" not in said:
                unreached.append(name)
        return unreached

    def _abc(self, commands: str) -> str:
        """What ABC says."""
        package = find_spec("pyosys")
        assert package is not None and package.origin is not None
        command = [str(Path(package.origin).parent / "yosys-abc"), "-c", commands]
        return subprocess.run(command, cwd=self._folder, capture_output=True, text=True, check=True).stdout

    def _replay(self, claim: str) -> Counterexample:
        """The run that ABC found, as Amaranth's simulator sees it."""
        mapped = re.findall(r"^input (\d+) (\d+) (\S+)$", (self._folder / "claims.map").read_text(), re.MULTILINE)
        # The first line is the state in which the run begins, each further one a cycle's inputs.
        _, *cycles = re.findall(r"^[01]+$", (self._folder / "counterexample.aiw").read_text(), re.MULTILINE)
        inputs = []
        for bits in cycles:
            values = dict.fromkeys(self._properties.inputs, 0)
            for place, bit, name in mapped:
                if name in values:
                    values[name] |= int(bits[int(place)]) << int(bit)
            inputs.append(values)

        broken: list[str] = []

        async def bench(ctx: Any) -> None:
            for values in inputs:
                for name, value in values.items():
                    ctx.set(self._properties.inputs[name], value)
                broken[:] = [name for name, bits in self._properties.broken.items() if ctx.get(bits)]
                await ctx.tick()

        simulator = Simulator(self._module)
        simulator.add_clock(1e-6)
        simulator.add_testbench(bench)
        waves = self._folder / "counterexample.vcd"
        with simulator.write_vcd(str(waves)):
            simulator.run()
        if claim not in broken:
            raise ProofError(f"the solver breaks {claim} in cycle {len(inputs) - 1}, and Amaranth's simulator does not")
        return Counterexample(claim, tuple(inputs), waves)
