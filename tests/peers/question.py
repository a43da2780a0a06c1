"""What the models of both peers have in common: the instance, its exact bill, the files.

All amounts are whole numbers: nanoseconds, bytes, nano-units of loss. The cost that `evaluate`
derives is the one that edgeplan derives again from the plan file.
"""

import argparse
import json
import math
import os
import sys
import time
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Option:
    """A way to store a layer on one device."""

    index: int
    bytes: int
    shared: int | None
    loss: int
    time: int

    def beats(self, other):
        """Whether no limit or objective could prefer the other one on the same device."""
        return (
            self.shared == other.shared
            and self.bytes <= other.bytes
            and self.loss <= other.loss
            and self.time <= other.time
        )


@dataclass
class Model:
    """A chain of layers; `options[layer][device]` are those worth choosing there."""

    data: dict
    name: str
    weight: int
    layers: list
    loss_max: int | None
    activation: int
    shared: list
    options: list = field(default_factory=list)

    def least_loss(self, layer):
        """The loss of the layer's best option anywhere."""
        losses = [option.loss for here in self.options[layer] for option in here]
        return min(losses, default=0)


class Question:
    """A deployment instance."""

    def __init__(self, path):
        with open(path, encoding="utf-8") as file:
            data = json.load(file)
        if data.get("schema") != "edgeplan-instance/1":
            sys.exit(f"schema {data.get('schema')}: edgeplan-instance/1 is expected")
        self.data = deployment = data["deployment"]
        self.objective = deployment["objective"]
        self.contiguous = deployment["placement"] == "contiguous"
        self.source = deployment["source"]
        self.devices = deployment["devices"]
        self.latency_max = deployment.get("latency_max")
        self.bottleneck_max = deployment.get("bottleneck_max")
        self.refuse_hosts()
        self.models = [self.read_model(model) for model in deployment["models"]]

    def refuse_hosts(self):
        """Hosts of several devices have rows of their own, which these models lack."""
        hosts = [device["host"] for device in self.devices if device.get("host") is not None]
        layers = [layer for model in self.data["models"] for layer in model["layers"]]
        if len(hosts) > len(set(hosts)) or any(layer.get("joined") for layer in layers):
            sys.exit("unsupported: this model knows no hosts of several devices")

    def read_model(self, data):
        model = Model(
            data=data,
            name=data["name"],
            weight=data.get("weight", 1),
            layers=data["layers"],
            loss_max=data.get("loss_max"),
            activation=data.get("activation", 0),
            shared=data.get("shared", []),
        )
        for layer in model.layers:
            model.options.append(
                [self.kept_options(model, layer, device) for device in range(len(self.devices))]
            )
        return model

    def kept_options(self, model, layer, device):
        """The options that fit the device alone and that no other one beats there."""
        pin = layer.get("pin")
        if pin is not None and pin != device:
            return []
        room = self.room(model, device)
        options = []
        for index, option in enumerate(layer["options"]):
            seconds = option["compute"][device]
            shared = option.get("shared")
            own = option["bytes"] + layer.get("kv", 0)
            whole = own + (model.shared[shared] if shared is not None else 0)
            if seconds is not None and whole <= room:
                options.append(Option(index, own, shared, option["loss"], seconds))

        def beaten(option):
            return any(
                rival is not option
                and rival.beats(option)
                and (rival.index < option.index or not option.beats(rival))
                for rival in options
            )

        return [option for option in options if not beaten(option)]

    def room(self, model, device):
        """Bytes for layers of one model once its activations and the overhead are paid."""
        data = self.devices[device]
        return data["memory"] - data.get("overhead", 0) - model.activation

    def way(self, model, message, start, end):
        """Time of a message between two devices; none without a way."""
        return model.data["messages"][message]["time"][start * len(self.devices) + end]

    def hop(self, model, layer, start, end):
        return self.way(model, model.layers[layer].get("output", 0), start, end)

    def enter(self, model, device):
        return self.way(model, model.data["enter"], self.source, device)

    def leave(self, model, device):
        return self.way(model, model.data["leave"], device, self.source)

    def size(self, model, message):
        return model.data["messages"][message]["bytes"]

    def evaluate(self, plan):
        """The cost of a plan, `plan[model][layer] = (device, option)`; none if it breaks a limit."""
        bytes_of = [0] * len(self.devices)
        compute = [0] * len(self.devices)
        sending = [0] * len(self.devices)
        sent = [0] * len(self.devices)
        latencies = []
        for model, chosen in zip(self.models, plan):
            latency = loss = 0
            seen = set()
            before = self.source
            message = model.data["enter"]
            ends = [(*choice, False) for choice in chosen] + [(self.source, None, True)]
            for layer, (device, option, last) in enumerate(ends):
                if last:
                    message = model.data["leave"]
                if device != before:
                    way = self.way(model, message, before, device)
                    if way is None:
                        return None
                    latency += way
                    sending[before] += way * model.weight
                    sent[before] += self.size(model, message) * model.weight
                if last:
                    break
                if self.contiguous and device != before and (device, None) in seen:
                    return None
                data = model.layers[layer]
                taken = data["options"][option]
                pinned = data.get("pin")
                if taken["compute"][device] is None or pinned not in (None, device):
                    return None
                if (device, None) not in seen:
                    bytes_of[device] += model.activation
                seen.add((device, None))
                bytes_of[device] += taken["bytes"] + data.get("kv", 0)
                shared = taken.get("shared")
                if shared is not None and (device, shared) not in seen:
                    seen.add((device, shared))
                    bytes_of[device] += model.shared[shared]
                latency += taken["compute"][device]
                compute[device] += taken["compute"][device] * model.weight
                loss += taken["loss"]
                before, message = device, data.get("output", 0)
            if model.loss_max is not None and loss > model.loss_max:
                return None
            if self.latency_max is not None and latency > self.latency_max:
                return None
            latencies.append(latency * model.weight)
        used = {device for chosen in plan for device, _ in chosen}
        for device, data in enumerate(self.devices):
            if device in used:
                bytes_of[device] += data.get("overhead", 0)
            limits = [
                (bytes_of[device], data["memory"] if device in used else None),
                (compute[device], data.get("compute_max")),
                (sent[device], data.get("traffic_max")),
            ]
            if any(most is not None and amount > most for amount, most in limits):
                return None
        bottleneck = max(map(max, compute, sending))
        if self.bottleneck_max is not None and bottleneck > self.bottleneck_max:
            return None
        costs = {"latency": sum(latencies), "bottleneck": bottleneck, "memory": sum(bytes_of)}
        return costs[self.objective]

    def least_cycle(self):
        """A time that no bottleneck is below: the longest layer, where it is quickest."""
        least = 0
        for model in self.models:
            for here in model.options:
                times = [option.time for options in here for option in options]
                least = max(least, min(times, default=0) * model.weight)
        return least

    def windows(self, model, device):
        """Ends of windows of layers that the device cannot hold whole, the smallest ones: not even
        if all the loss that the budget leaves is spent in the window, nor within the limits on its
        compute."""
        spare = None
        if model.loss_max is not None:
            best = sum(model.least_loss(layer) for layer in range(len(model.layers)))
            spare = max(model.loss_max - best, 0)
        limits = [self.devices[device].get("compute_max"), self.bottleneck_max]
        cycle = min((limit for limit in limits if limit is not None), default=None)
        needs = []
        for layer in range(len(model.layers)):
            needs.append(need(model, layer, device, spare is not None))
        start, found = 0, []
        for last in range(len(needs)):
            barred = None
            while start <= last and not self.holds(model, device, needs[start:last + 1],
                                                   spare, cycle):
                barred = start
                start += 1
            if barred is not None and needs[last] is not None:
                found.append((barred, last))
        return found

    def holds(self, model, device, needs, spare, cycle):
        if any(each is None for each in needs):
            return False
        if cycle is not None and sum(time for _, _, time, _ in needs) > cycle:
            return False
        room = self.room(model, device)
        have = sum(bytes_ for _, bytes_, _, _ in needs)
        if spare is None:
            return have <= room
        left = spare - sum(loss for loss, _, _, _ in needs)
        if left < 0:
            return False
        savings = [step for _, _, _, steps in needs for step in steps]
        savings.sort(key=lambda step: step[0] / step[1], reverse=True)
        for saved, loss in savings:
            if have <= room:
                break
            if loss > left:
                # In part, rounded in favour of holding; one byte more for the order of floats.
                have -= saved * left // loss + 2
                break
            left -= loss
            have -= saved
        return have <= room


def need(model, layer, device, budget):
    """What a layer needs at least on a device: its least loss above the best one anywhere, the
    bytes of that option, the least compute, and (bytes saved, loss) steps along the hull."""
    options = model.options[layer][device]
    if not options:
        return None
    best = model.least_loss(layer)
    time_ = min(option.time for option in options) * model.weight
    if not budget:
        return 0, min(option.bytes for option in options), time_, []
    points = sorted((option.loss - best, option.bytes) for option in options)
    corners = [points[0]]
    for loss, size in points[1:]:
        if size >= corners[-1][1]:
            continue
        while len(corners) > 1:
            (loss0, size0), (loss1, size1) = corners[-2:]
            if (size0 - size1) * (loss - loss1) > (size1 - size) * (loss1 - loss0):
                break
            corners.pop()
        corners.append((loss, size))
    steps = [(a[1] - b[1], b[0] - a[0]) for a, b in zip(corners, corners[1:])]
    return corners[0][0], corners[0][1], time_, steps


class Answer:
    """The files of a run: each is written whole, by a rename, whenever it gets better."""

    def __init__(self, question, arguments):
        self.question, self.arguments = question, arguments
        self.cost = None
        self.bound = None

    def offer(self, plan):
        """Writes a plan down if it keeps all limits and is the best so far; says whether it keeps
        them."""
        cost = self.question.evaluate(plan)
        if cost is not None and (self.cost is None or cost < self.cost):
            self.cost = cost
            write(self.arguments.plan, {"schema": "edgeplan-plan/1", "models": [
                {"name": model.name, "layers": [
                    {
                        "layer": layer["name"],
                        "device": self.question.devices[device]["name"],
                        "recipe": layer["options"][option]["recipe"],
                    }
                    for layer, (device, option) in zip(model.layers, chosen)
                ]}
                for model, chosen in zip(self.question.models, plan)
            ]})
        return cost is not None

    def prove(self, bound, **more):
        """Claims a lower bound, a whole number."""
        if self.bound is None or bound > self.bound or more:
            self.bound = max(bound, self.bound or 0, 0)
            self.claim(lower_bound=self.bound, **more)

    def claim(self, **claims):
        write(self.arguments.claim, {"schema": "edgeplan-claim/1", **claims})


def write(path, data):
    with open(f"{path}.partial", "w", encoding="utf-8") as file:
        json.dump(data, file)
    os.replace(f"{path}.partial", path)


def start(question, path):
    """The plan of a file to start from, if there is one: `plan[model][layer] = (device, option)`,
    the option replaced by one that is worth choosing and no worse."""
    if path is None or not os.path.exists(path):
        return None
    with open(path, encoding="utf-8") as file:
        models = json.load(file)["models"]
    names = {device["name"]: index for index, device in enumerate(question.devices)}
    plan = []
    for model, planned in zip(question.models, models):
        chosen = []
        for layer, choice in enumerate(planned["layers"]):
            device = names[choice["device"]]
            data = model.layers[layer]
            recipes = [option["recipe"] for option in data["options"]]
            index = recipes.index(choice["recipe"])
            given = data["options"][index]
            own = given["bytes"] + data.get("kv", 0)
            taken = Option(index, own, given.get("shared"), given["loss"], given["compute"][device])
            kept = [option for option in model.options[layer][device] if option.beats(taken)]
            if not kept:
                return None
            chosen.append((device, kept[0].index))
        plan.append(chosen)
    return plan


def arguments(about):
    """The arguments of a solver's command, and the time by which it has to be done."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("instance", help="instance file to read")
    parser.add_argument("plan", help="plan file to write")
    parser.add_argument("claim", help="claim file to write")
    parser.add_argument("time", type=float, help="seconds")
    parser.add_argument("threads", type=int)
    parser.add_argument("--gap", type=float, default=1e-4, help="relative gap at which to stop")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--start", help="plan file to start from, where there is one")
    given = parser.parse_args()
    given.deadline = time.monotonic() + given.time
    return given


def left(given):
    """Seconds that are left for the solver: less than all, because it looks at its clock now and
    then, and its answer takes a moment."""
    return max(given.deadline - time.monotonic() - min(0.3, 0.05 * given.time), 0.01)


def divided(terms, limit):
    """`terms <= limit` over whole variables, divided by the common divisor of the factors."""
    divisor = math.gcd(*(factor for _, factor in terms)) if terms else 1
    if divisor <= 1:
        return terms, limit
    return [(variable, factor // divisor) for variable, factor in terms], limit // divisor
