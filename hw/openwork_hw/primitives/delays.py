"""Values as they were some cycles ago."""

from amaranth.hdl import Module, ShapeLike, Signal, Value


def delays(m: Module, name: str, value: Value, shape: ShapeLike, cycles: int) -> list[Value]:
    """`value` and its delays: index n of the result is n cycles late. The registers have no reset."""
    stages = [value]
    for cycle in range(1, cycles + 1):
        stage = Signal(shape, name=f"{name}_{cycle}", reset_less=True)
        m.d.sync += stage.eq(stages[-1])
        stages.append(stage)
    return stages
