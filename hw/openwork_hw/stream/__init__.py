"""Buffers for streams of any payload.

Which buffer to take (`docs/buffers.md` has a table with paths and costs):

- `OutputBuffer` ends a pipeline. Its offer is a register, so the consumer's path begins without logic. The consumer's `ready`
  enables the register, which is a wire to every bit.
- `ShortQueue` stands between parts that lie far apart. `ready` and `valid` reach only a few flip-flops, and the offer comes out
  of a multiplexer.
- `SkidBuffer` has no latency. It cuts only the path of `ready`: a payload that comes while the consumer stalls waits in a register.
- `array.PassBuffer` is an OutputBuffer that ends a pass with the payload marked `last`.
- `decoder.WordQueue` keeps several words in registers, with no choice of where to read. `primitives.BlockQueue` keeps many
  payloads in block memory, for a slow consumer. Amaranth's `SyncFIFOBuffered` is for everything between.
"""
