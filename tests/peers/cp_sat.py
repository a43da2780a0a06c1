"""A deployment instance as a model of CP-SAT (OR-Tools), solved under edgeplan's protocol.

Layers choose one (device, option) each; `y[l][d, e]` says that the chain goes from d to e after
layer l, so that a hop is paid exactly where the device changes. Where placement is contiguous, a
device is entered once at most, the hops of a model are a circuit through the devices that hold it,
and the two ends of a run are no further apart than what the device can hold whole.
"""

import math
import sys

# Nothing but sources in this folder.
sys.dont_write_bytecode = True

import question as q  # noqa: E402


class Program:
    """The model, and the literals that are a plan."""

    def __init__(self, question, cp_model):
        self.question = question
        self.model = cp_model.CpModel()
        self.devices = range(len(question.devices))
        self.used = [self.model.new_bool_var(f"u{d}") for d in self.devices]
        self.bytes = [[] for _ in self.devices]
        self.compute = [[] for _ in self.devices]
        self.sending = [[] for _ in self.devices]
        self.sent = [[] for _ in self.devices]
        self.latencies = []
        # One line per layer: its literals by (device, option).
        self.choices = []
        self.moves = []
        self.held = []
        for index, model in enumerate(question.models):
            self.add_model(index, model)
        self.add_devices()
        self.add_objective()

    def add_model(self, index, model):
        new = self.model.new_bool_var
        last = len(model.layers) - 1
        choices, present, latency = [], [], []
        for layer, here in enumerate(model.options):
            literals, on = {}, {}
            for d in self.devices:
                if layer == 0 and self.question.enter(model, d) is None:
                    continue
                if layer == last and self.question.leave(model, d) is None:
                    continue
                for option in here[d]:
                    literals[d, option.index] = new(f"x{index},{layer},{d},{option.index}")
                    self.charge(model, d, option, literals[d, option.index], latency)
                own = [literals[d, option.index] for option in here[d]]
                if len(own) == 1:
                    on[d] = own[0]
                elif own:
                    on[d] = new(f"p{index},{layer},{d}")
                    # The layer is on d in one of its options, or not at all.
                    self.model.add_exactly_one(own + [on[d].negated()])
            # (1) Each layer is somewhere, once.
            self.model.add_exactly_one(literals.values())
            if len(on) < len(literals):
                self.model.add_exactly_one(on.values())
            choices.append(literals)
            present.append(on)
        moves = self.add_moves(index, model, present, latency)
        held = self.add_holding(index, model, present, moves)
        self.add_ends(model, present, latency)
        self.add_shared(index, model, choices, held)
        self.add_quality(model, choices)
        if self.question.latency_max is not None:
            self.at_most(latency, self.question.latency_max)
        self.latencies.append((model.weight, latency))
        self.choices.append(choices)
        self.moves.append(moves)
        self.held.append(held)

    def charge(self, model, d, option, literal, latency):
        self.bytes[d].append((literal, option.bytes))
        self.compute[d].append((literal, option.time * model.weight))
        latency.append((literal, option.time))

    def add_moves(self, index, model, present, latency):
        """(2) Flow: who leaves a device was there, who arrives is there next."""
        moves = []
        for layer in range(len(model.layers) - 1):
            size = self.question.size(model, model.layers[layer].get("output", 0))
            literals = {}
            for d in present[layer]:
                for e in present[layer + 1]:
                    way = self.question.hop(model, layer, d, e)
                    if way is None:
                        continue
                    literal = self.model.new_bool_var(f"y{index},{layer},{d},{e}")
                    literals[d, e] = literal
                    if d != e:
                        latency.append((literal, way))
                        self.sending[d].append((literal, way * model.weight))
                        self.sent[d].append((literal, size * model.weight))
            for d, on in present[layer].items():
                leaving = [literal for (a, _), literal in literals.items() if a == d]
                self.model.add_exactly_one(leaving + [on.negated()])
            for e, on in present[layer + 1].items():
                arriving = [literal for (_, b), literal in literals.items() if b == e]
                self.model.add_exactly_one(arriving + [on.negated()])
            moves.append(literals)
        return moves

    def add_holding(self, index, model, present, moves):
        """(3) Whether a device holds any layer of the model, and contiguity."""
        held = []
        for d in self.devices:
            holds = self.model.new_bool_var(f"h{index},{d}")
            held.append(holds)
            self.model.add_implication(holds, self.used[d])
            for on in present:
                if d in on:
                    self.model.add_implication(on[d], holds)
            entering = [
                literal for step in moves for (a, b), literal in step.items() if b == d != a
            ]
            if d in present[0]:
                entering.append(present[0][d])
            if self.question.contiguous:
                # Entered once where the model is held, else never.
                self.model.add_exactly_one(entering + [holds.negated()])
            else:
                self.model.add_bool_or(entering + [holds.negated()])
            if self.question.contiguous:
                # A run that holds both ends holds all between them.
                for first, last in self.question.windows(model, d):
                    ends = {first, last}
                    ons = [present[layer][d] for layer in ends if d in present[layer]]
                    if len(ons) == len(ends):
                        self.model.add_bool_or([on.negated() for on in ons])
        if self.question.contiguous:
            self.add_circuit(index, present, moves, held)
        return held

    def add_circuit(self, index, present, moves, held):
        """The hops are a circuit through a node that stands for both ends of the chain."""
        arcs = []
        for d in self.devices:
            arcs.append((d + 1, d + 1, held[d].negated()))
            if d in present[0]:
                arcs.append((0, d + 1, present[0][d]))
            if d in present[-1]:
                arcs.append((d + 1, 0, present[-1][d]))
        hops = {}
        for step in moves:
            for (d, e), literal in step.items():
                if d != e:
                    hops.setdefault((d, e), []).append(literal)
        for (d, e), literals in hops.items():
            hop = self.model.new_bool_var(f"g{index},{d},{e}")
            self.model.add_exactly_one(literals + [hop.negated()])
            arcs.append((d + 1, e + 1, hop))
        self.model.add_circuit(arcs)

    def add_ends(self, model, present, latency):
        """The way from the source to the first layer, and from the last one back."""
        question, source = self.question, self.question.source
        for d, on in present[0].items():
            if d != source:
                way = question.enter(model, d)
                size = question.size(model, model.data["enter"])
                latency.append((on, way))
                self.sending[source].append((on, way * model.weight))
                self.sent[source].append((on, size * model.weight))
        for d, on in present[-1].items():
            if d != source:
                way = question.leave(model, d)
                size = question.size(model, model.data["leave"])
                latency.append((on, way))
                self.sending[d].append((on, way * model.weight))
                self.sent[d].append((on, size * model.weight))

    def add_shared(self, index, model, choices, held):
        """(5) A shared tensor is stored once on each device where an option uses it."""
        for d in self.devices:
            self.bytes[d].append((held[d], model.activation))
            copies = {}
            for layer, literals in enumerate(choices):
                for option in model.options[layer][d]:
                    if option.shared is None or (d, option.index) not in literals:
                        continue
                    if option.shared not in copies:
                        copies[option.shared] = self.model.new_bool_var(
                            f"c{index},{d},{option.shared}"
                        )
                    self.model.add_implication(literals[d, option.index], copies[option.shared])
            for shared, copy in copies.items():
                self.model.add_implication(copy, held[d])
                self.bytes[d].append((copy, model.shared[shared]))

    def add_quality(self, model, choices):
        """(10) What is lost above each layer's best option is within what the budget leaves."""
        if model.loss_max is None:
            return
        best = [model.least_loss(layer) for layer in range(len(model.layers))]
        losses = [
            (literal, model.layers[layer]["options"][option]["loss"] - best[layer])
            for layer, literals in enumerate(choices)
            for (_, option), literal in literals.items()
        ]
        self.at_most(losses, model.loss_max - sum(best))

    def add_devices(self):
        """(6) Memory, (8) budgets of compute and traffic."""
        question = self.question
        for d, data in enumerate(question.devices):
            overhead = data.get("overhead", 0)
            self.bytes[d].append((self.used[d], overhead))
            # Without the overhead, which is only there if anything is.
            self.at_most(self.bytes[d], data["memory"])
            # Nothing is used for nothing.
            holding = [held[d] for held in self.held]
            self.model.add_bool_or(holding + [self.used[d].negated()])
            if data.get("compute_max") is not None:
                self.at_most(self.compute[d], data["compute_max"])
            if data.get("traffic_max") is not None:
                self.at_most(self.sent[d], data["traffic_max"])
            if question.bottleneck_max is not None:
                self.at_most(self.compute[d], question.bottleneck_max)
                self.at_most(self.sending[d], question.bottleneck_max)

    def add_objective(self):
        question = self.question
        if question.objective == "latency":
            terms = [
                (literal, factor * weight)
                for weight, latency in self.latencies
                for literal, factor in latency
            ]
            self.model.minimize(weighted(terms))
        elif question.objective == "memory":
            self.model.minimize(weighted([term for terms in self.bytes for term in terms]))
        else:
            # (9) The cycle is at least what each device computes, and what it sends.
            most = max(
                sum(factor for _, factor in terms) for terms in self.compute + self.sending
            )
            least = question.least_cycle()
            cycle = self.model.new_int_var(least, max(most, least), "cycle")
            for terms in self.compute + self.sending:
                if terms:
                    self.model.add(weighted(terms) <= cycle)
            self.model.minimize(cycle)

    def at_most(self, terms, limit):
        terms = [term for term in terms if term[1]]
        terms, limit = q.divided(terms, limit)
        if not terms and limit < 0:
            self.model.add_bool_or([])
        elif terms:
            self.model.add(weighted(terms) <= limit)

    def plan(self, value):
        """The plan of a solution."""
        return [
            [next(key for key, literal in literals.items() if value(literal))
             for literals in choices]
            for choices in self.choices
        ]

    def hint(self, plan):
        """Starts from a plan."""
        for choices, moves, held, chosen in zip(self.choices, self.moves, self.held, plan):
            for literals, choice in zip(choices, chosen):
                for key, literal in literals.items():
                    self.model.add_hint(literal, key == choice)
            ways = [(a[0], b[0]) for a, b in zip(chosen, chosen[1:])]
            for literals, way in zip(moves, ways):
                for key, literal in literals.items():
                    self.model.add_hint(literal, key == way)
            devices = {device for device, _ in chosen}
            for d, literal in enumerate(held):
                self.model.add_hint(literal, d in devices)


def weighted(terms):
    """A sum of factors times literals."""
    from ortools.sat.python import cp_model

    return cp_model.LinearExpr.weighted_sum(
        [literal for literal, _ in terms], [factor for _, factor in terms]
    )


def whole(bound):
    """A bound on whole costs, which CP-SAT hands out as a float."""
    return max(math.floor(bound) - int(math.ulp(bound)), 0)


def main():
    given = q.arguments(__doc__)
    question = q.Question(given.instance)
    try:
        from ortools.sat.python import cp_model
    except ImportError:
        sys.exit("Python has no ortools here: pip install -r tests/peers/requirements.txt")
    program = Program(question, cp_model)
    answer = q.Answer(question, given)
    first = q.start(question, given.start)
    if first is not None:
        program.hint(first)

    class Told(cp_model.CpSolverSolutionCallback):
        """Writes each plan down as it is found."""

        refused = False

        def on_solution_callback(self):
            if not answer.offer(program.plan(self.boolean_value)):
                self.refused = True
                self.stop_search()

    solver = cp_model.CpSolver()
    solver.parameters.num_workers = given.threads
    solver.parameters.random_seed = given.seed % (1 << 31)
    solver.parameters.relative_gap_limit = given.gap
    solver.parameters.linearization_level = 2
    solver.parameters.max_time_in_seconds = q.left(given)
    solver.best_bound_callback = lambda bound: answer.prove(whole(bound))
    told = Told()
    status = solver.solve(program.model, told)
    if told.refused:
        sys.exit("the model takes a plan that breaks a limit of the instance")
    work = {"nodes": solver.num_branches, "iterations": solver.num_conflicts}
    if status == cp_model.INFEASIBLE:
        answer.claim(infeasible=True, **work)
    elif status in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        answer.offer(program.plan(solver.boolean_value))
        answer.prove(whole(solver.best_objective_bound), **work)
    elif status == cp_model.UNKNOWN:
        answer.prove(whole(max(solver.best_objective_bound, 0)), **work)
    else:
        sys.exit(f"CP-SAT calls the model {solver.status_name(status)}")


if __name__ == "__main__":
    main()
