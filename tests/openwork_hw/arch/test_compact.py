"""What later sizes mean to software: `compact`, activation tables and map stations have fingerprints of their own."""

from dataclasses import fields, replace
from itertools import product
from zlib import crc32

import numpy as np
import pytest

from openwork.compiler.errors import CompileError
from openwork.compiler.network import compile_network
from openwork.host.selftest import random_network
from openwork_hw.accelerator import Accelerator
from openwork_hw.arch.config import LATER_SIZES, PRESETS, ArrayConfig, ConfigError
from openwork_hw.arch.disassembly import disassemble
from openwork_hw.arch.encodings import ALL_ENCODINGS, encodings_of
from openwork_hw.arch.image import ImageError, assemble
from openwork_hw.arch.link import Identity, decode_identity, encode_identity
from openwork_hw.arch.nonzeros import Encoding

PLAIN = ArrayConfig(1, 2, feature_words=64, row_buffer_nonzeros=16, tap_entries=64, sum_bits=24)
COMPACT = replace(PLAIN, compact=True)
NETWORK = random_network(1, 2, np.random.default_rng(1))


def test_the_fingerprint_names_later_sizes_only_where_they_are_set() -> None:
    """So that every image of another array keeps its words."""
    for config in [*PRESETS.values(), COMPACT]:
        sizes = [field.name for field in fields(config) if field.name not in ("technology", *LATER_SIZES)]
        text = " ".join(f"{name}={getattr(config, name)!r}" for name in sizes)
        later = config.compact or config.activation_tables or config.map_stations
        assert (config.fingerprint == crc32(text.encode())) is not later
        others = (
            replace(config, compact=not config.compact, map_stations=False),
            replace(config, activation_tables=not config.activation_tables),
        )
        assert len({config.fingerprint, *(other.fingerprint for other in others)}) == 3


def test_map_stations_have_a_fingerprint_and_need_a_free_cycle() -> None:
    config = ArrayConfig(2, 4, replicas=3)
    assert replace(config, map_stations=True).fingerprint != config.fingerprint
    with pytest.raises(ConfigError, match="map_stations need more than 4 lanes where replicas is 4"):
        replace(config, replicas=4, map_stations=True)
    for changes in ({"single_port": True, "replicas": 1}, {"compact": True}):
        with pytest.raises(ConfigError, match="feature memories with two ports, and an array that is not compact"):
            replace(config, map_stations=True, **changes)


def test_the_boards_with_compact_arrays_have_compact_presets() -> None:
    assert {name for name, config in PRESETS.items() if config.compact} == {"gw1nr-9", "ice40-up5k-flash"}


@pytest.mark.parametrize("encoding", [Encoding.TRIPLET, Encoding.PACKED])
def test_other_encodings_are_refused_by_name(encoding: Encoding) -> None:
    """When a network is compiled, an image assembled or read, an array built."""
    what = f"a compact array decodes csr weight streams, not {encoding.name.lower()}: compile with --encoding csr"
    with pytest.raises(CompileError, match=what):
        compile_network(NETWORK, COMPACT, encoding)
    plain = compile_network(NETWORK, PLAIN, encoding)
    with pytest.raises(ConfigError, match=what):
        assemble(plain.instructions, COMPACT)
    forged = plain.words.copy()
    forged[2] = COMPACT.fingerprint
    forged[-1] = crc32(forged[:-1].astype("<u4").tobytes())
    with pytest.raises(ImageError, match=what):
        disassemble(forged, COMPACT)
    with pytest.raises(ConfigError, match=what):
        Accelerator(COMPACT, encodings=(Encoding.CSR, encoding))


def test_an_array_decodes_what_it_can_decode() -> None:
    assert encodings_of(PLAIN) == ALL_ENCODINGS
    assert encodings_of(COMPACT) == (Encoding.CSR,)
    assert compile_network(NETWORK, COMPACT, Encoding.CSR).words[2] == COMPACT.fingerprint


def test_a_board_says_whether_its_array_is_compact_and_has_tables() -> None:
    with_tables = [replace(config, activation_tables=True) for config in (PLAIN, COMPACT)]
    for config, linear in product((PLAIN, COMPACT, *with_tables), (False, True)):
        identity = Identity(config, (Encoding.CSR,), 1 << 12, 512, 512, 27_000_000, linear=linear)
        found = decode_identity(encode_identity(identity))
        assert found.config == config and found.linear == linear
