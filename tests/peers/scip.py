"""A deployment instance as an integer program of SCIP, solved under edgeplan's protocol.

The variables are those of edgeplan's own program for HiGHS: x[l,d,o], flow y[l,d,e], h[m,d] (the
device holds the model), u[d] (it is used), c[d,k] (it stores a shared tensor), T (the bottleneck).
A vector whose plan breaks a limit by less than SCIP's tolerance is cut off.
"""

import math
import sys

# Nothing but sources in this folder.
sys.dont_write_bytecode = True

import question as q  # noqa: E402

# Coefficients are brought below this, so that a tolerance of 1e-7 is less than a unit of most rows.
COEFFICIENT_MAX = 1e6
# What is taken off a bound for SCIP's tolerances: a part of it, and so many of its own units.
SLACK, TOLERANCE = 5e-7, 1e-6
CUTS_MAX = 50


class Program:
    """The model, and the variables that are a plan."""

    def __init__(self, question, scip, given):
        self.question, self.scip = question, scip
        self.devices = range(len(question.devices))
        self.cuts = []
        self.build(given)

    def build(self, given):
        question = self.question
        self.model = self.scip.Model()
        self.model.hideOutput()
        parameters = {
            "limits/gap": max(given.gap - 2 * SLACK, 0.0),
            "numerics/feastol": 1e-7,
            "randomization/randomseedshift": given.seed % (1 << 31),
            "parallel/maxnthreads": given.threads,
            "misc/catchctrlc": False,
        }
        self.model.setParams(parameters)
        several = len(question.models) > 1
        self.used = [self.binary(f"u{d}") for d in self.devices]
        self.held, self.choices, self.moves = [], [], []
        self.bytes = [[] for _ in self.devices]
        self.compute = [[] for _ in self.devices]
        self.sending = [[] for _ in self.devices]
        self.sent = [[] for _ in self.devices]
        self.latencies = []
        for index, model in enumerate(question.models):
            self.add_model(index, model, several)
        self.add_devices()
        self.add_objective()
        for cut in self.cuts:
            self.exclude(cut)

    def binary(self, name):
        return self.model.addVar(name, vtype="B")

    def share(self, name):
        """A variable that is whole where the choices are."""
        return self.model.addVar(name, vtype="C", lb=0.0, ub=1.0)

    def equal(self, terms, limit):
        if not terms and limit:
            self.model.addCons(self.used[0] >= 2)
            return
        self.model.addCons(self.scip.quicksum(factor * var for var, factor in terms) == limit)

    def below(self, terms, limit):
        """`terms <= limit` of whole numbers, brought to a size that SCIP likes."""
        terms = [term for term in terms if term[1]]
        if not terms:
            if limit < 0:
                self.model.addCons(self.used[0] >= 2)
            return
        scale = max(max(abs(factor) for _, factor in terms) / COEFFICIENT_MAX, 1)
        total = self.scip.quicksum(factor / scale * var for var, factor in terms)
        self.model.addCons(total <= limit / scale)

    def add_model(self, index, model, several):
        question, last = self.question, len(model.layers) - 1
        choices, latency = [], []
        for layer, here in enumerate(model.options):
            literals = {}
            for d in self.devices:
                if layer == 0 and question.enter(model, d) is None:
                    continue
                if layer == last and question.leave(model, d) is None:
                    continue
                for option in here[d]:
                    var = self.binary(f"x{index},{layer},{d},{option.index}")
                    literals[d, option.index] = var
                    latency.append((var, option.time))
                    self.compute[d].append((var, option.time * model.weight))
            # (1) Each layer is somewhere, once.
            self.equal([(var, 1) for var in literals.values()], 1)
            choices.append(literals)
        present = [
            {d: [var for (e, _), var in literals.items() if e == d] for d in self.devices}
            for literals in choices
        ]
        moves = self.add_moves(index, model, present, latency)
        held = self.used if not several else [self.binary(f"h{index},{d}") for d in self.devices]
        self.add_holding(model, present, moves, held)
        self.add_ends(model, present, latency)
        self.add_memory(index, model, choices, held, several)
        if model.loss_max is not None:
            # (10) What is lost above each layer's best option is within what the budget leaves.
            best = [model.least_loss(layer) for layer in range(len(model.layers))]
            losses = [
                (var, model.layers[layer]["options"][option]["loss"] - best[layer])
                for layer, literals in enumerate(choices)
                for (_, option), var in literals.items()
            ]
            self.below(losses, model.loss_max - sum(best))
        if question.latency_max is not None:
            self.below(latency, question.latency_max)
        self.latencies.append((model.weight, latency))
        self.choices.append(choices)
        self.moves.append(moves)
        self.held.append(held)

    def add_moves(self, index, model, present, latency):
        """(2) Flow: who leaves a device was there, who arrives is there next."""
        moves = []
        for layer in range(len(model.layers) - 1):
            size = self.question.size(model, model.layers[layer].get("output", 0))
            flows = {}
            for d in self.devices:
                for e in self.devices:
                    way = self.question.hop(model, layer, d, e)
                    if way is None or not present[layer][d] or not present[layer + 1][e]:
                        continue
                    flow = flows[d, e] = self.share(f"y{index},{layer},{d},{e}")
                    if d != e:
                        latency.append((flow, way))
                        self.sending[d].append((flow, way * model.weight))
                        self.sent[d].append((flow, size * model.weight))
            for d in self.devices:
                leaving = [(flow, -1) for (a, _), flow in flows.items() if a == d]
                arriving = [(flow, -1) for (_, b), flow in flows.items() if b == d]
                for on, way in ((present[layer][d], leaving), (present[layer + 1][d], arriving)):
                    if on or way:
                        self.equal([(var, 1) for var in on] + way, 0)
            moves.append(flows)
        return moves

    def add_holding(self, model, present, moves, held):
        """(3) Which devices hold the model, contiguity, and (13) how long runs can be."""
        for d in self.devices:
            entries = [(var, -1) for var in present[0][d]]
            entries += [
                (flow, -1) for flows in moves for (a, b), flow in flows.items() if b == d != a
            ]
            if self.question.contiguous:
                self.equal(entries + [(held[d], 1)], 0)
            else:
                self.below(entries + [(held[d], 1)], 0)
                for here in present:
                    if here[d]:
                        self.below([(var, 1) for var in here[d]] + [(held[d], -1)], 0)
            if held is not self.used:
                self.below([(held[d], 1), (self.used[d], -1)], 0)
            for first, last in self.question.windows(model, d):
                if first == last:
                    for var in present[first][d]:
                        self.model.chgVarUb(var, 0.0)
                    continue
                # Of the layers between the ends as many are on d as there are stays, at least.
                stays = [(moves[layer][d, d], 1) for layer in range(first, last)
                         if (d, d) in moves[layer]]
                between = [(var, -1) for layer in range(first + 1, last)
                           for var in present[layer][d]]
                self.below(stays + between, 0)

    def add_ends(self, model, present, latency):
        """The way from the source to the first layer, and from the last one back."""
        question, source = self.question, self.question.source
        for d in self.devices:
            if d == source:
                continue
            for var in present[0][d]:
                way, size = question.enter(model, d), question.size(model, model.data["enter"])
                latency.append((var, way))
                self.sending[source].append((var, way * model.weight))
                self.sent[source].append((var, size * model.weight))
            for var in present[-1][d]:
                way, size = question.leave(model, d), question.size(model, model.data["leave"])
                latency.append((var, way))
                self.sending[d].append((var, way * model.weight))
                self.sent[d].append((var, size * model.weight))

    def add_memory(self, index, model, choices, held, several):
        """(5) Shared tensors, (6') and what one model may take where it is held."""
        for d in self.devices:
            own, copies = [], {}
            for layer, literals in enumerate(choices):
                users = {}
                for option in model.options[layer][d]:
                    if (d, option.index) not in literals:
                        continue
                    var = literals[d, option.index]
                    own.append((var, option.bytes))
                    if option.shared is not None:
                        users.setdefault(option.shared, []).append((var, 1))
                for shared, terms in users.items():
                    if shared not in copies:
                        copies[shared] = self.share(f"c{index},{d},{shared}")
                    self.below(terms + [(copies[shared], -1)], 0)
            for shared, copy in copies.items():
                self.below([(copy, 1), (held[d], -1)], 0)
                own.append((copy, model.shared[shared]))
            self.bytes[d] += own + [(held[d], model.activation)]
            room = self.question.room(model, d)
            if several and room >= 0:
                self.below(own + [(held[d], -room)], 0)

    def add_devices(self):
        """(6) Memory, (7) a device is used if a model is on it, (8) budgets of compute and traffic."""
        question = self.question
        for d, data in enumerate(question.devices):
            memory = self.bytes[d] + [(self.used[d], data.get("overhead", 0) - data["memory"])]
            self.below(memory, 0)
            self.bytes[d].append((self.used[d], data.get("overhead", 0)))
            holding = [(held[d], -1) for held in self.held if held is not self.used]
            if holding:
                self.below([(self.used[d], 1)] + holding, 0)
            limits = [data.get("compute_max"), question.bottleneck_max]
            limits = [limit for limit in limits if limit is not None]
            if limits:
                self.below(self.compute[d] + [(self.used[d], -min(limits))], 0)
            if data.get("traffic_max") is not None:
                self.below(self.sent[d], data["traffic_max"])
            if question.bottleneck_max is not None:
                self.below(self.sending[d], question.bottleneck_max)

    def add_objective(self):
        question = self.question
        if question.objective == "bottleneck":
            # One unit is a thousandth or so of the longest layer.
            longest = max(
                (factor for terms in self.compute + self.sending for _, factor in terms), default=1
            )
            self.unit = max(longest / 1618.033989, 1.0)
            least = question.least_cycle() / self.unit
            cycle = self.model.addVar("T", vtype="C", lb=least)
            for terms in self.compute + self.sending:
                # (9) The cycle is at least what each device computes, and what it sends.
                total = self.scip.quicksum(factor / self.unit * var for var, factor in terms)
                self.model.addCons(total <= cycle)
            self.cycle = cycle
            self.model.setObjective(cycle, "minimize")
            return
        self.cycle = None
        terms = [
            (var, factor * weight) for weight, latency in self.latencies for var, factor in latency
        ]
        if question.objective == "memory":
            terms = [term for of_device in self.bytes for term in of_device]
        self.unit = max(max((factor for _, factor in terms), default=1) / COEFFICIENT_MAX, 1.0)
        total = self.scip.quicksum(factor / self.unit * var for var, factor in terms)
        self.model.setObjective(total, "minimize")

    def plan(self, value):
        """The plan of a vector: each layer goes to the largest of its variables."""
        return [
            [max(literals, key=lambda key: value(literals[key])) for literals in choices]
            for choices in self.choices
        ]

    def exclude(self, plan):
        """Not all of these choices."""
        chosen = [
            literals[key]
            for choices, keys in zip(self.choices, plan)
            for literals, key in zip(choices, keys)
        ]
        self.model.addCons(self.scip.quicksum(chosen) <= len(chosen) - 1)

    def begin(self, plan):
        """Starts from a plan: SCIP completes the vector."""
        solution = self.model.createPartialSol()
        for choices, keys in zip(self.choices, plan):
            for literals, key in zip(choices, keys):
                for other, var in literals.items():
                    self.model.setSolVal(solution, var, float(other == key))
        self.model.addSol(solution)

    def bound(self):
        """A whole number that no plan's cost is below."""
        bound = self.model.getDualbound()
        if not math.isfinite(bound) or abs(bound) >= self.model.infinity():
            return 0
        cost = bound * self.unit
        return max(math.ceil(cost - TOLERANCE * self.unit - SLACK * abs(cost)), 0)


def main():
    given = q.arguments(__doc__)
    question = q.Question(given.instance)
    try:
        import pyscipopt as scip
    except ImportError:
        sys.exit("Python has no pyscipopt here: pip install -r tests/peers/requirements.txt")
    if any(
        not any(here) for model in question.models for here in model.options
    ):
        q.Answer(question, given).claim(infeasible=True)
        return
    program = Program(question, scip, given)
    answer = q.Answer(question, given)

    class Told(scip.Eventhdlr):
        """Hears of solutions and of nodes."""

        EVENTS = scip.SCIP_EVENTTYPE.BESTSOLFOUND | scip.SCIP_EVENTTYPE.NODESOLVED

        def eventinit(self):
            self.model.catchEvent(self.EVENTS, self)

        def eventexit(self):
            self.model.dropEvent(self.EVENTS, self)

        def eventexec(self, event):
            if event.getType() == scip.SCIP_EVENTTYPE.BESTSOLFOUND:
                best = self.model.getBestSol()
                answer.offer(program.plan(lambda var: self.model.getSolVal(best, var)))
            else:
                answer.prove(program.bound())

    first = q.start(question, given.start)
    nodes = iterations = 0
    for _ in range(CUTS_MAX):
        model = program.model
        model.includeEventhdlr(Told(), "told", "solutions and bounds")
        if first is not None:
            program.begin(first)
        model.setParam("limits/time", q.left(given))
        if given.threads > 1:
            model.solveConcurrent()
        else:
            model.optimize()
        nodes, iterations = nodes + model.getNTotalNodes(), iterations + model.getNLPIterations()
        work = {"nodes": nodes, "iterations": iterations}
        status = model.getStatus()
        if status in ("infeasible", "inforunbd"):
            answer.claim(infeasible=True, **work)
            return
        if status not in ("optimal", "gaplimit", "timelimit"):
            sys.exit(f"SCIP ends with {status}")
        answer.prove(program.bound(), **work)
        if status == "timelimit":
            return
        plan = program.plan(lambda var: model.getVal(var))
        if answer.offer(plan):
            return
        program.cuts.append(plan)
        program.build(given)


if __name__ == "__main__":
    main()
