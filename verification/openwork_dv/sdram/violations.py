"""What can be done to an SDRAM chip that its data sheet forbids."""

VIOLATIONS = {
    "startup": "a command comes before the chip has had its pause after power-up",
    "precharge": "REFRESH, MODE or ACTIVATE comes before the first PRECHARGE of all banks",
    "refreshes": "ACTIVATE comes before the refreshes of the start-up",
    "mode": "ACTIVATE comes before MODE, or MODE asks for what the chip cannot do at this clock or the model does not know",
    "command": "a command comes that the model does not know, or the clock is disabled after the start-up has begun",
    "trcd": "READ or WRITE comes too early after ACTIVATE",
    "trp": "ACTIVATE, REFRESH or MODE comes too early after PRECHARGE",
    "tras": "a precharge begins too early after ACTIVATE",
    "tras_most": "a row is open for too long",
    "trc": "ACTIVATE or REFRESH comes too early after ACTIVATE of the same bank",
    "trrd": "ACTIVATE comes too early after ACTIVATE of another bank",
    "twr": "PRECHARGE comes too early after WRITE",
    "trfc": "a command comes too early after REFRESH",
    "tmrd": "a command comes too early after MODE",
    "open": "ACTIVATE comes to a bank whose row is open",
    "closed": "READ or WRITE comes to a bank that has no row open",
    "all_closed": "REFRESH or MODE comes while a row is open",
    "contention": "the controller drives the data pins while the chip does",
    "turnaround": "the controller drives the data pins in the cycle in which the chip lets go of them",
    "undriven": "WRITE comes with nobody driving the data pins",
    "retention": "a row is refreshed or opened after it has lost its content",
}
"""The name of each violation, and what happened. Their order is that of the bits."""

TIMING = ("trcd", "trp", "tras", "tras_most", "trc", "trrd", "twr", "trfc", "tmrd")
"""Those that are about intervals."""


def violated(bits: int) -> list[str]:
    """The names of violations whose bits are set.

    >>> violated(0b100001)
    ['startup', 'trcd']
    """
    return [name for place, name in enumerate(VIOLATIONS) if bits >> place & 1]
