"""Many random networks on the compiled gateware: what was wrong, what they met, and what the compiler refused."""

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.random import Generator

from openwork.compiler.errors import CompileError
from openwork.compiler.network import compile_network
from openwork_dv.coverage import Coverage
from openwork_dv.native import NativeSimulation, Stalls
from openwork_dv.network_coverage import network_bins
from openwork_dv.network_runs import network_complaints
from openwork_dv.random_networks import random_network
from openwork_hw.arch.nonzeros import Encoding

MOST_REFUSED = 0.1
"""Share of random networks that the compiler may refuse. Of 1,000 it refuses 5.7 %; more would mean that a campaign tests less than
it seems to."""

INPUTS = 2


@dataclass
class NetworkCampaign:
    """What came of random networks.

    Attributes:
        ran: networks of which every stored tensor and every cycle was compared.
        refused: by the compiler, counted by its sentence without names and numbers.
        complaints: what was wrong.
        coverage: what those met of which nothing was wrong.
    """

    ran: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    complaints: list[str] = field(default_factory=list)
    coverage: Coverage = field(default_factory=Coverage)

    @property
    def refused_share(self) -> float:
        """Of all networks; 1 where there was none."""
        refused = self.refused.total()
        return refused / (refused + self.ran) if refused + self.ran else 1.0

    def merge(self, other: "NetworkCampaign") -> None:
        """Count what came of other networks."""
        self.ran += other.ran
        self.refused += other.refused
        self.complaints += other.complaints
        self.coverage.merge(other.coverage)

    def __str__(self) -> str:
        lines = [
            f"{self.ran} networks ran, {self.refused.total()} were refused ({100 * self.refused_share:.1f} %), "
            f"{len(self.complaints)} complaints"
        ]
        lines += [f"  refused {count} times: {sentence}" for sentence, count in self.refused.most_common()]
        return "\n".join(lines)


def run_random_networks(simulation: NativeSimulation, seed: int, numbers: Iterable[int]) -> NetworkCampaign:
    """Run the networks of these numbers; seed and number alone say what one is, and a complaint holds both.

    Every fourth one runs with stalls. Every second one is divided as the compiler likes, the others in any way.
    """
    campaign = NetworkCampaign()
    config = simulation.config
    shared = [groups for groups in config.row_groups if config.pes // groups <= config.replicas]
    for number in numbers:
        rng = np.random.default_rng([seed, number])
        network = random_network(rng, tables=config.activation_tables)
        encoding = list(Encoding)[int(rng.integers(len(Encoding)))]
        row_groups = int(rng.choice(shared)) if rng.random() < 0.5 else None
        try:
            image = compile_network(network, config, encoding, row_groups=row_groups, watch=True)
        except CompileError as error:
            campaign.refused[re.sub(r"'[^']*'|-?\d[\d,]*", "#", str(error)).split(":")[0]] += 1
            continue
        inputs = rng.integers(-128, 128, (INPUTS, *network.input.shape)).astype(np.int8)
        name = f"seed {seed}, number {number}"
        found = network_complaints(name, simulation, image, inputs, _stalls(rng))
        campaign.ran += 1
        campaign.complaints += found
        if not found:
            campaign.coverage.add(network_bins(image, INPUTS))
    return campaign


def _stalls(rng: Generator) -> Stalls | None:
    if rng.random() < 0.75:
        return None
    return Stalls(float(rng.choice([0.1, 0.5, 0.8])), int(rng.integers(1000)), int(rng.integers(1, 12)))
