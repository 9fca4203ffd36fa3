"""The register map: every word and every bit has one meaning."""

import pytest

from openwork_hw.arch.registers import ADDRESS_BITS, REGISTERS, Register


def test_no_two_registers_share_an_address_and_no_two_fields_a_bit() -> None:
    addresses = [register.address for register in REGISTERS]
    assert addresses == sorted(set(addresses))
    assert all(address % 4 == 0 and address < 1 << ADDRESS_BITS for address in addresses)
    for register in REGISTERS:
        bits = [bit for field in register.fields for bit in range(field.low, field.low + field.bits)]
        assert bits == sorted(set(bits)) and bits[-1] < 32, register.name


@pytest.mark.parametrize("register", REGISTERS, ids=lambda register: register.name)
def test_unpack_undoes_pack(register: Register) -> None:
    highest = {field.name: (1 << field.bits) - 1 for field in register.fields}
    assert dict(register.unpack(register.pack(**highest))) == highest
    assert register.pack(**highest) == register.mask
    with pytest.raises(ValueError, match=f"{register.name} has no field nothing"):
        register.pack(nothing=0)
