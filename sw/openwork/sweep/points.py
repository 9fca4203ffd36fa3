"""What a task of a sweep does: prune and quantize a model, or compile a network for an array. Workers import this module."""

import sys
from collections.abc import Mapping
from dataclasses import asdict
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from openwork.sweep.plan import ArrayChoice, ModelChoice, SweepError, SweepPlan
from openwork.sweep.running import Task
from openwork.sweep.store import code_version, file_version, kept, key_of
from openwork_hw.arch.config import ArrayConfig, Technology
from openwork_hw.arch.encodings import encodings_of
from openwork_hw.arch.nonzeros import Encoding
from openwork_hw.arch.refusal import Refusal

if TYPE_CHECKING:
    import torch

NETWORK = "network.int8"
"""The file of a quantized network in the folder of a result."""

NETWORKS, POINTS = "networks", "points"
"""Folders of results in the folder of a sweep."""


def tasks_of(plan: SweepPlan, arrays: tuple[ArrayChoice, ...], folder: Path) -> list[Task]:
    """The tasks of a sweep: first all networks, then every network on every array.

    Args:
        plan: checked.
        arrays: those that the plan names.
        folder: of the sweep.
    """
    code, here = code_version(), str(Path.cwd())
    versions = {
        name: file_version(Path(name)) for model in plan.models for name in _files(model) if name
    }  # each is read once
    tasks: list[Task] = []
    networks = []
    for model, method, density in plan.networks:
        dense = method == "dense"
        settings = {
            "model": model.model,
            "content": _model_version(model.model),
            "files": {one: versions[path] for one, path in _named_files(model).items() if path},
            "method": method,
            "density": density,
            "scope": "" if dense else plan.scope,
            "epochs": 0 if dense else plan.epochs,
            "rate": 0.0 if dense else plan.rate,
            "seed": 0 if dense else plan.seed,
            "code": code,
        }
        key = key_of(settings)
        networks.append((key, settings))
        tasks.append(
            Task(f"network-{key}", make_network, (str(folder), settings, asdict(model), here), size=2 + plan.epochs)
        )
    for key, settings in networks:
        for array in arrays:
            for encoding in plan.encodings or ("",):
                point = {
                    "network": key,
                    "config": config_values(array.config),
                    "board": array.board,
                    "encoding": encoding or suited(array),
                    "code": code,
                }
                about = {
                    "model": settings["model"],
                    "method": settings["method"],
                    "asked": settings["density"],
                    "array": array.name,
                }
                tasks.append(
                    Task(f"point-{key_of(point)}", make_point, (str(folder), point, about), needs=f"network-{key}")
                )
    return tasks


def _named_files(model: ModelChoice) -> dict[str, str]:
    return {name: value for name, value in asdict(model).items() if name != "model"}


def _files(model: ModelChoice) -> list[str]:
    return list(_named_files(model).values())


def _model_version(model: str) -> str:
    """Changes whenever the file of a model does, or the module of its function; not what the module imports.

    Raises:
        SweepError: there is no such module.
    """
    if model.endswith(".pt2"):
        return file_version(Path(model))
    if str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    name = model.partition(":")[0]
    try:
        found = find_spec(name)
    except (ImportError, ValueError):
        found = None
    if found is None or not found.origin or not Path(found.origin).is_file():
        raise SweepError(f"there is no module {name} for {model}")
    return file_version(Path(found.origin))


def config_values(config: ArrayConfig) -> dict[str, Any]:
    """The sizes of an array as JSON values."""
    return asdict(config) | {"technology": config.technology.value, "group_sizes": list(config.group_sizes)}


def config_of(values: Mapping[str, Any]) -> ArrayConfig:
    """Undoes `config_values`."""
    changed = {"group_sizes": tuple(values["group_sizes"]), "technology": Technology(values["technology"])}
    return ArrayConfig(**(dict(values) | changed))


def suited(array: ArrayChoice) -> str:
    """The encoding that an array is best with."""
    return (
        encodings_of(array.config)[-1].name.lower()
        if not array.board
        else _board(array.board).encodings[0].name.lower()
    )


def make_network(folder: str, settings: Mapping[str, Any], files: Mapping[str, str], directory: str) -> dict[str, Any]:
    """Prune and quantize a model, unless that was done before; the figures of the network.

    A refusal is a result, too: the figures then have a `reason`.

    Args:
        folder: of the sweep.
        settings: what the network depends on.
        files: of a `ModelChoice`.
        directory: that the sweep was started in, where modules are looked for.
    """
    if directory not in sys.path:
        sys.path.insert(0, directory)

    def make(place: Path) -> dict[str, Any]:
        try:
            return _network(place, settings, ModelChoice(**files))
        except Refusal as reason:
            return {"reason": str(reason)}

    return {"key": key_of(settings), **kept(Path(folder) / NETWORKS, settings, make)}


def _network(place: Path, settings: Mapping[str, Any], model: ModelChoice) -> dict[str, Any]:
    import torch

    from openwork.files import write_network
    from openwork.frontend import import_program, load
    from openwork.pruning import held_back, prune_by
    from openwork.pruning.fitting import usual_recipe
    from openwork.quantization import TrainableNetwork, quantize
    from openwork.quantization.evaluation import accuracy

    # Sums of several threads differ in the last bit, and with them what is pruned: a point is the same on any number of workers.
    torch.set_num_threads(1)

    inputs, labels = _inputs(model.data, model.labels)
    if model.test:
        values, answers = _inputs(model.test, model.test_labels)
    else:
        fitted, held = held_back(len(inputs))
        if not len(held):
            raise SweepError(
                f"{model.data} holds {len(inputs)} inputs: 10 are needed to hold some back, or name --test"
            )
        values, answers = inputs[held], None if labels is None else labels[held]
        inputs, labels = inputs[fitted], None if labels is None else labels[fitted]
    float_network = load(model.model, inputs[:1])
    network = TrainableNetwork(float_network)
    truth = float_network.run(values).flatten(1).argmax(dim=1) if answers is None else answers
    total = sum(network.get_parameter(f"{name}.weight").numel() for name in network.learned)
    density = 1.0
    if settings["method"] != "dense":
        recipe = usual_recipe(settings["epochs"], settings["rate"], 0.5, settings["seed"], len(inputs))
        pruned = prune_by(
            settings["method"],
            network,
            settings["density"],
            inputs,
            labels,
            names=network.learned,
            scope=settings["scope"],
            recipe=recipe,
        )
        float_network = import_program(pruned.export(inputs))
        density = sum(int(mask.sum()) for mask in pruned.masks.values()) / total
    quantized = quantize(float_network, inputs, error_aware=True)
    write_network(place / NETWORK, quantized)
    return {
        "density": density,
        "accuracy": accuracy(quantized, values, truth),
        "accuracy_is": "accuracy" if answers is not None else "agreement with the dense model",
        "inputs": len(values),
    }


def _inputs(data: str, labels: str) -> "tuple[torch.Tensor, torch.Tensor | None]":
    import torch

    from openwork.files import read_array
    from openwork.quantization import calibration_inputs

    array = read_array(Path(data))
    if array.dtype.kind != "f" or array.ndim < 2 or not len(array):
        raise SweepError(f"{data} must hold real numbers [inputs, ...], not {array.dtype} {list(array.shape)}")
    if not labels:
        return calibration_inputs(array).float(), None
    targets = read_array(Path(labels))
    if targets.dtype.kind not in "iu" or targets.shape != array.shape[:1]:
        raise SweepError(f"{labels} must hold a whole number for each of the {len(array)} inputs of {data}")
    return calibration_inputs(array).float(), torch.tensor(targets.astype("int64"))


def make_point(
    folder: str, point: Mapping[str, Any], about: Mapping[str, Any], network: Mapping[str, Any]
) -> dict[str, Any]:
    """Compile a network for an array, unless that was done before; all figures of the point.

    Args:
        folder: of the sweep.
        point: what the figures of the compiled network depend on.
        about: what the point is called in tables; the figures do not depend on it.
        network: figures of the network.
    """
    config = config_of(point["config"])
    known = {
        **about,
        "board": point["board"],
        "encoding": point["encoding"],
        "pes": config.pes,
        "lanes": config.lanes,
        "macs": config.macs,
        **{name: network.get(name) for name in ("density", "accuracy", "accuracy_is", "inputs")},
    }
    if "reason" in network:
        return {**known, "fits": False, "reason": network["reason"]}

    def make(_place: Path) -> dict[str, Any]:
        from openwork.files import read_network

        quantized = read_network(Path(folder) / NETWORKS / network["key"] / NETWORK)
        try:
            return _costs(quantized, config, point["board"], Encoding[point["encoding"].upper()])
        except Refusal as reason:
            return {"fits": False, "reason": str(reason)}

    return {**known, **kept(Path(folder) / POINTS, point, make)}


def _costs(network: Any, config: ArrayConfig, board: str, encoding: Encoding) -> dict[str, Any]:
    from openwork.compiler.network import compile_network

    if not board:
        image = compile_network(network, config, encoding)
        run_cycles, more = image.predicted_cycles, {}
    else:
        from openwork.cli.on_board import check_fits, planned_for, speed_values

        place = _board(board)
        if encoding not in place.encodings:
            raise SweepError(f"{board} decodes {', '.join(one.name.lower() for one in place.encodings)} weight streams")
        image = planned_for(place, network, encoding)[1]
        fetched = check_fits(place, image)
        run_cycles = image.predicted_cycles if fetched is None else fetched.cycles
        speed = speed_values(place, image, fetched)
        more = {name: speed[name] for name in ("clock_mhz", "inputs_per_second", "bound")}
    return {
        "fits": True,
        "reason": "",
        "cycles": image.compute_cycles,
        "run_cycles": run_cycles,
        "utilization": image.utilization,
        "image_bytes": 4 * len(image.words),
        **more,
    }


def _board(name: str) -> Any:
    from openwork_fpga.boards.catalogue import BOARDS

    return BOARDS[name]
