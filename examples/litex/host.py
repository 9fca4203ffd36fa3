"""The host's part of the example: an image and its inputs go to the system's memory, DMA engines take them to the array.

With the board programmed, its UART served by LiteX, and an image for the array that was built:

    litex_server --uart --uart-port /dev/ttyUSB0 --uart-baudrate 1000000
    python examples/litex/host.py --csr build/ulx3s/csr.csv model.image x.npy -o y.npy
"""

import argparse
import csv
from pathlib import Path

import numpy as np

from openwork.bus import BusDriver
from openwork.faults import check_result

BURST_WORDS = 128
"""Of one access to the bridge, which counts up to 255."""


class Host:
    """A system of ulx3s.py, behind two functions.

    Attributes:
        driver: of the array's registers.
    """

    def __init__(self, read, write, csr):
        """`read(address, words)` gives a list, `write(address, words)` takes one; `csr` is the file that LiteX writes."""
        self._read_burst, self._write_burst = read, write
        with open(csr, newline="") as lines:
            rows = [row for row in csv.reader(lines) if row and not row[0].startswith("#")]
        self._registers = {row[1]: (int(row[2], 0), int(row[3])) for row in rows if row[0] == "csr_register"}
        regions = {row[1]: int(row[2], 0) for row in rows if row[0] == "memory_region"}
        self._memory, block = regions["main_ram"], regions["openwork"]
        self.driver = BusDriver(
            lambda address: read(block + address, 1)[0], lambda address, word: write(block + address, [word])
        )

    def load(self, image):
        """Bring an image to the array and have it checked."""
        self._write(self._memory, image.words.tolist())
        self._transfer("image_dma", 4 * len(image.words))
        self._finish("image_dma")
        check_result(image, self.driver.check())

    def run(self, image, inputs):
        """The tensors that an image stores for one input, int8 [channels, height, width], and the run's cycles."""
        features = image.load_bytes(inputs)
        count = sum(words for _, words in image.stored) * image.config.lanes
        self._write(self._memory, np.frombuffer(features.tobytes(), "<u4").tolist())
        self._transfer("outputs_dma", count)
        self._transfer("features_dma", features.size)
        self.driver.start()
        answer = self.driver.wait()
        check_result(image, answer)
        self._finish("features_dma")
        self._finish("outputs_dma")
        words = self._read(self._memory, count // 4)
        return image.tensors(np.frombuffer(np.array(words, "<u4").tobytes(), np.int8)), answer.cycles

    def _write(self, address, words):
        for first in range(0, len(words), BURST_WORDS):
            self._write_burst(address + 4 * first, words[first : first + BURST_WORDS])

    def _read(self, address, count):
        words = []
        while len(words) < count:
            words += self._read_burst(address + 4 * len(words), min(BURST_WORDS, count - len(words)))
        return words

    def _set(self, name, value):
        """A register of LiteX's, its uppermost word first."""
        address, words = self._registers[name]
        self._write(address, [value >> 32 * place & 0xFFFFFFFF for place in reversed(range(words))])

    def _transfer(self, engine, size):
        """Let a DMA engine move so many bytes from or to the memory's beginning."""
        self._set(f"{engine}_base", self._memory)
        self._set(f"{engine}_length", size)
        self._set(f"{engine}_enable", 1)

    def _finish(self, engine):
        """Wait until it has."""
        while not self._read(self._registers[f"{engine}_done"][0], 1)[0]:
            pass
        self._set(f"{engine}_enable", 0)


def main():
    """Run inputs through an image on the board."""
    from litex import RemoteClient

    import openwork

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("image", help="a compiled network")
    parser.add_argument("inputs", type=Path, help="int8 or real numbers, [batch, channels, height, width]")
    parser.add_argument("--csr", required=True, help="csr.csv of the system")
    parser.add_argument("-o", "--output", type=Path, required=True, help="where the outputs go")
    arguments = parser.parse_args()
    image = openwork.load_image(arguments.image)
    bridge = RemoteClient()
    bridge.open()
    host = Host(bridge.read, bridge.write, arguments.csr)
    host.load(image)
    results = []
    for one in image.network.integer_inputs(np.load(arguments.inputs)):
        tensors, cycles = host.run(image, one)
        print(f"{cycles:,} cycles")
        results.append(np.concatenate([tensors[name] for name in image.network.outputs]))
    np.save(arguments.output, np.stack(results))


if __name__ == "__main__":
    main()
