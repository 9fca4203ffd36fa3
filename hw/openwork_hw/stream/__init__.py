"""Stream parts that know nothing of weights.

Which buffer to take (`docs/buffers.md` has a table with paths and costs):

- `OutputBuffer`: the end of a pipeline. Its offer is a register, so that whoever takes it begins with no logic; `ready` of the
  consumer enables the register, which is a wire to every bit.
- `ShortQueue`: between parts that lie far apart. Neither `ready` nor `valid` reaches more than a few flip-flops; the offer comes
  out of a multiplexer.
- `SkidBuffer`: no cycle late. It cuts the path of `ready` alone; what comes in while the consumer stalls waits in one register.
- `array.PassBuffer`: an OutputBuffer that ends a pass with the payload marked `last`.
- `decoder.WordQueue`: several words in registers, with no choice of where to read. `primitives.BlockQueue`: many payloads in block
  memory, for one who takes them slowly. Amaranth's `SyncFIFOBuffered`: all between.
"""
