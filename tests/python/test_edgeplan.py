"""The Python package, as `python -m unittest discover tests/python` runs it where it is installed.

`cargo test` runs these on the module that it has built.
"""

import ast
import contextlib
import inspect
import io
import json
import os
import pathlib
import pickle
import signal
import subprocess
import sys
import tempfile
import threading
import time
import tokenize
import unittest

import edgeplan
from edgeplan import _functions

PACKAGE = pathlib.Path(edgeplan.__file__).parent
SMALL = {"model": "catalog:smollm2-135m", "device": ["ryzen-9-5900x"]}
CLUSTER = {
    "source": "laptop",
    "device": {
        "laptop": {"profile": "catalog:apple-m1", "memory": "8 GiB"},
        "desktop": {"profile": "catalog:rtx-3060-12"},
    },
    "link": [{"between": ["laptop", "desktop"], "bandwidth": "1 Gbit/s", "latency": "1 ms"}],
}
#: Takes minutes to prove.
HARD = ["generate", "random", "--layers", "60", "--devices", "30", "--formats", "8"]


def command(*arguments, **options):
    """Runs `python -m edgeplan`."""
    line = [sys.executable, "-m", "edgeplan", *arguments]
    return subprocess.run(line, capture_output=True, text=True, timeout=120, **options)


class Planning(unittest.TestCase):
    def test_the_answer_is_that_of_the_command_line(self):
        answer = edgeplan.plan(**SMALL)
        line = ["plan", "--model", SMALL["model"], "--device", SMALL["device"][0], "--json"]
        printed = json.loads(command(*line).stdout)
        for one in (answer, printed):
            one.pop("elapsed_s")
            one.pop("rederived_s", None)
        same = {name for name in printed if answer[name] == printed[name]}
        self.assertGreaterEqual(same, {"cost_ns", "lower_bound_ns", "verdict", "stages", "summary"})
        self.assertEqual(set(answer) - set(printed), {"plan"})
        self.assertEqual(answer["verdict"], "optimal")

    def test_a_plan_costs_what_the_answer_says_however_it_is_written(self):
        session = edgeplan.load(model="catalog:tinyllama-1.1b", cluster=CLUSTER)
        answer = session.plan()
        deployment = session.instance["deployment"]
        devices = [device["name"] for device in deployment["devices"]]
        layers = deployment["models"][0]["layers"]
        planned = answer["plan"]["models"][0]["layers"]
        names = [(one["device"], one["recipe"]) for one in planned]
        recipes = [[option["recipe"] for option in layer["options"]] for layer in layers]
        places = [
            (devices.index(device), known.index(recipe))
            for (device, recipe), known in zip(names, recipes)
        ]
        for plan in (answer, answer["plan"], names, places, [names]):
            bill = session.evaluate(plan)
            self.assertTrue(bill["feasible"], bill["violations"])
            self.assertEqual(bill["cost_ns"], answer["cost_ns"])
            self.assertEqual(session.plan_file(plan), answer["plan"])
        bill = edgeplan.evaluate(answer, instance=session.instance)
        self.assertEqual(bill["loss"], answer["loss"])

    def test_what_is_violated_is_said(self):
        tight = {**CLUSTER, "device": {**CLUSTER["device"]}}
        tight["device"]["desktop"] = {"profile": "catalog:rtx-3060-12", "memory": "1 GiB"}
        session = edgeplan.load(model="catalog:llama-3.1-8b", cluster=tight)
        layers = session.instance["deployment"]["models"][0]["layers"]
        bill = session.evaluate([(1, 0)] * len(layers))
        self.assertFalse(bill["feasible"])
        self.assertIn("desktop needs", " ".join(bill["violations"]))

    def test_solvers_are_compared(self):
        rows = edgeplan.compare(**SMALL, time=2)
        costs = [row["cost_ns"] for row in rows if row["cost_ns"] is not None]
        self.assertEqual(costs, sorted(costs))
        named = {row["name"] for row in edgeplan.solvers() if row["command"] == "plan"}
        self.assertEqual({row["solver"] for row in rows}, named)

    def test_no_plan_is_an_exception_that_knows_the_fix(self):
        with self.assertRaises(edgeplan.Infeasible) as caught:
            edgeplan.plan(workload={"quality": {"max-kl": 0.02}, "latency-max": "3 s"})
        fixes = caught.exception.answer["fixes"]
        self.assertTrue(any("latency" in fix["limit"] for fix in fixes), fixes)
        again = pickle.loads(pickle.dumps(caught.exception))
        self.assertEqual(again.answer, caught.exception.answer)


class Inputs(unittest.TestCase):
    def refused(self, file, key, words, **question):
        with self.assertRaises(edgeplan.InputError) as caught:
            edgeplan.load(**question)
        error = caught.exception
        self.assertEqual((error.file, error.key), (file, key), error)
        self.assertIn(words, error.problem)
        self.assertIsInstance(error, ValueError)

    def test_what_is_wrong_is_named(self):
        typed = {**CLUSTER, "sourc": "laptop"}
        self.refused("cluster", "sourc", "did you mean `source`?", cluster=typed)
        self.refused("cluster", "switch", "null", cluster={**CLUSTER, "switch": None})
        self.refused("workload", "prompt", "0", workload={"prompt": 0})
        self.refused("catalog:nothing", None, "no such model", model="catalog:nothing")
        self.refused("arguments", "objective", "latency, decode", objective="speed")
        self.refused("arguments", "engine", "llama.cpp", engine="lama.cpp")
        self.refused("arguments", "prompt", "invalid", prompt=-1)
        self.refused("none.toml", None, "no such file", cluster="none.toml")
        self.refused("cluster", None, "no place in JSON", cluster={"source": object()})
        for instance in ("a.json", tiny()):
            self.refused("arguments", "model", "cannot be used", instance=instance, model="b")
        self.refused("arguments", "cluster", "cannot be used", cluster=CLUSTER, device="l4-24")

    def test_a_plan_of_something_else_is_refused(self):
        session = edgeplan.load(**SMALL)
        answer = session.plan()
        other = edgeplan.load(model="catalog:tinyllama-1.1b", device="ryzen-9-5900x")
        for plan, words in (
            (answer, "made for instance"),
            ([(0, 0)], "1 instead of"),
            ([("ryzen", 0)] * len(other.instance["deployment"]["models"][0]["layers"]), "device"),
            ("nonsense", "plan"),
        ):
            with self.assertRaisesRegex(edgeplan.InputError, words):
                other.evaluate(plan)

    def test_unknown_keywords_are_not_taken(self):
        with self.assertRaises(TypeError):
            edgeplan.plan(modle="catalog:smollm2-135m")

    def test_paths_are_paths(self):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder, "instance.json")
            path.write_text(json.dumps(edgeplan.load(**SMALL).instance))
            cost = edgeplan.plan(**SMALL)["cost_ns"]
            self.assertEqual(edgeplan.plan(instance=path)["cost_ns"], cost)
            self.assertEqual(edgeplan.plan(instance=str(path))["cost_ns"], cost)


class OwnSolvers(unittest.TestCase):
    def setUp(self):
        self.session = edgeplan.load(model="catalog:tinyllama-1.1b", cluster=CLUSTER)
        self.best = self.session.plan()

    def policy(self, instance, limits):
        """What people do without a solver."""
        self.assertEqual(limits, {"time_s": 5.0, "gap": 1e-4, "seed": 7})
        self.assertIs(instance, self.session.instance)
        return self.session.plan(solver="fastest-first")["plan"]

    def ask(self, solver, **options):
        return self.session.solve_with(solver, **options)

    def test_a_plan_without_a_bound_is_feasible(self):
        answer = self.ask(self.policy, time=5, seed=7)
        self.assertEqual((answer["verdict"], answer["solver"]), ("feasible", "policy"))
        self.assertGreaterEqual(answer["cost_ns"], self.best["lower_bound_ns"])
        self.assertEqual(answer["cost_ns"], self.session.evaluate(answer)["cost_ns"])

    def test_only_a_bound_makes_it_optimal(self):
        best, bound = self.best, self.best["lower_bound_ns"]
        self.assertEqual(self.ask(lambda *_: best)["verdict"], "feasible")
        self.assertEqual(self.ask(lambda *_: (best, bound))["verdict"], "optimal")
        self.assertEqual(self.ask(lambda *_: (best, best["cost_ns"] + 1))["verdict"], "wrong")

    def test_a_plan_that_breaks_limits_is_wrong(self):
        layers = self.session.instance["deployment"]["models"][0]["layers"]
        crossing = [(place % 2, 0) for place in range(len(layers))]
        answer = self.ask(lambda *_: crossing)
        self.assertEqual((answer["verdict"], answer["plan"]), ("wrong", None))

    def test_false_proofs_are_noticed(self):
        small = edgeplan.load(instance=tiny())
        self.assertEqual(small.solve_with(lambda *_: "infeasible")["verdict"], "wrong")
        self.assertEqual(small.solve_with(lambda *_: None)["verdict"], "unknown")

    def test_what_it_raises_is_raised(self):
        def broken(_instance, _limits):
            raise ZeroDivisionError("mine")

        with self.assertRaisesRegex(ZeroDivisionError, "mine"):
            self.ask(broken)
        with self.assertRaises(edgeplan.InputError):
            self.ask(lambda *_: [(0, 0)])
        with self.assertRaises(edgeplan.InputError):
            self.ask(lambda *_: "feasible")

    def test_the_session_can_be_asked_meanwhile(self):
        def descent(instance, limits):
            plans = [self.policy(instance, limits), self.best]
            bills = [self.session.evaluate(plan) for plan in plans]
            bills = [bill["cost_ns"] if bill["feasible"] else float("inf") for bill in bills]
            return plans[bills.index(min(bills))]

        answer = self.ask(descent, time=5, seed=7)
        self.assertEqual(answer["cost_ns"], self.best["cost_ns"])


def tiny():
    """An instance of a few plans, which every answer is double-checked on."""
    line = ["generate", "random", "--layers", "4", "--devices", "2", "--formats", "2"]
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "tiny.json")
        done = command(*line, "--out", path)
        assert done.returncode == 0, done.stderr
        with open(path) as file:
            return json.load(file)


class Simulating(unittest.TestCase):
    def test_columns_are_buffers_that_agree_with_the_summary(self):
        session = edgeplan.load(**SMALL)
        runs = session.simulate(requests=50, poisson=2.0, policy=["fcfs", "continuous"], batch=4)
        self.assertEqual([run["policy"] for run in runs], ["fcfs", "continuous 4"])
        for run in runs:
            columns = run["requests"]
            self.assertTrue(all(memoryview(column).format == "q" for column in columns.values()))
            self.assertEqual({len(column) for column in columns.values()}, {50})
            served = [end >= 0 for end in columns["end_ns"]]
            self.assertEqual(sum(served), run["served"])
            waits = [b - a for a, b in zip(columns["arrival_ns"], columns["first_token_ns"])]
            self.assertEqual(max(waits), run["first_token_ns"]["max"])

    def test_options_are_checked(self):
        with self.assertRaises(edgeplan.InputError) as caught:
            edgeplan.simulate(question=SMALL, policy="fifo")
        self.assertEqual(caught.exception.key, "policy")


class Changes(unittest.TestCase):
    def test_what_more_would_buy(self):
        session = edgeplan.load()
        answer = session.what_if("link=10 Gbit/s@250", "-jetson-a@0.5", time=20)
        changes = {one["change"] for one in answer["alternatives"]}
        self.assertEqual(changes, {"link=10 Gbit/s", "-jetson-a"})
        self.assertEqual(answer["ranked_by"], "gained_per_price")
        with self.assertRaises(edgeplan.EdgeplanError):
            session.what_if("link=fast")

    def test_the_next_plan(self):
        session = edgeplan.load()
        runs = session.plan()
        answer = session.replan(runs, without="desktop", horizon="20 min", time=20)
        self.assertEqual(answer["horizon_ns"], 1_200 * 10**9)
        self.assertGreaterEqual(answer["total_ns"], answer["total_lower_bound_ns"])
        self.assertNotIn("desktop", str(answer["plan"]["models"]))
        with self.assertRaises(edgeplan.EdgeplanError):
            session.replan(runs, without="fridge")


class Others(unittest.TestCase):
    def test_schedules(self):
        example = edgeplan.schedule()
        self.assertIn(example["verdict"], ("optimal", "feasible"))
        self.assertEqual(len(example["plan"]["requests"]), example["users"])
        drawn = edgeplan.schedule(family="gus", requests=40, frame_seed=3, solver="gus")
        self.assertEqual((drawn["solver"], drawn["users"]), ("gus", 40))
        with self.assertRaises(edgeplan.InputError):
            edgeplan.schedule({"schema": "edgeplan-scheduling/0"})
        with self.assertRaises(edgeplan.InputError):
            edgeplan.schedule({}, family="gus")

    def test_fit(self):
        found = edgeplan.fit(model=SMALL["model"], device=SMALL["device"])
        self.assertEqual([model["model"] for model in found["models"]], ["smollm2-135m"])

    def test_records_are_columns(self):
        with tempfile.TemporaryDirectory() as folder:
            suite = os.path.join(folder, "suite.toml")
            path = os.path.join(folder, "tiny.json")
            with open(path, "w") as file:
                json.dump(tiny(), file)
            with open(suite, "w") as file:
                file.write(SUITE)
            out = os.path.join(folder, "out")
            # Trials are processes of their own, so that this starts the module again.
            done = command("bench", suite, "--out", out, "--time", "5")
            self.assertEqual(done.returncode, 0, done.stderr)
            records = edgeplan.load_records(out)
            curves = edgeplan.load_curves(out)
        self.assertEqual(records["solver"], ["chain-search", "fastest-first"])
        self.assertEqual(records["verdict"][0], "optimal")
        self.assertIsInstance(records["work"][0], dict)
        self.assertEqual(min(c for c in records["cost"] if c is not None), records["cost"][0])
        self.assertEqual({len(column) for column in records.values()}, {2})
        self.assertIn("chain-search", curves["solver"])
        with self.assertRaises(edgeplan.InputError):
            edgeplan.load_records("no/such/folder")


SUITE = """
analysis = "A test."
solvers = ["chain-search", "fastest-first"]
[[family]]
name = "files"
problem = "deployment"
paths = ["tiny.json"]
"""


class Interrupts(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "hard.json")
            done = command(*HARD, "--out", path)
            assert done.returncode == 0, done.stderr
            cls.session = edgeplan.load(instance=path)

    def test_other_threads_run_while_a_solver_thinks(self):
        ticks, done = [], threading.Event()

        def tick():
            while not done.wait(0.01):
                ticks.append(time.monotonic())

        thread = threading.Thread(target=tick)
        thread.start()
        self.session.plan(time=1, gap=0)
        done.set()
        thread.join()
        self.assertGreater(len(ticks), 10)

    def test_ctrl_c_ends_a_solver(self):
        timer = threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT))
        timer.start()
        with self.assertRaises(KeyboardInterrupt):
            self.session.plan(time=300, gap=0)
        timer.join()

    def test_ctrl_c_reaches_a_solver_of_ones_own(self):
        timer = threading.Timer(0.5, os.kill, (os.getpid(), signal.SIGINT))
        timer.start()
        with self.assertRaises(KeyboardInterrupt):
            self.session.solve_with(lambda *_: time.sleep(300))
        timer.join()


class CommandLine(unittest.TestCase):
    def test_exit_codes_and_streams(self):
        help_ = command("--help")
        self.assertEqual(help_.returncode, 0)
        self.assertIn("Usage: edgeplan <COMMAND>", help_.stdout)
        wrong = command("plan", "--model", "catalog:nothing")
        self.assertEqual((wrong.returncode, wrong.stdout), (2, ""))
        self.assertIn("error: catalog:nothing: no such model", wrong.stderr)
        self.assertEqual(command("plan", "--no-such").returncode, 2)

    def test_files_name_the_command(self):
        with tempfile.TemporaryDirectory() as folder:
            out = os.path.join(folder, "plan.html")
            done = command("plan", "--model", SMALL["model"], "--html", out)
            self.assertEqual(done.returncode, 0, done.stderr)
            with open(out, encoding="utf-8") as page:
                self.assertIn("edgeplan plan --model catalog:smollm2-135m", page.read())


class Documentation(unittest.TestCase):
    def test_the_examples_of_the_readme_run(self):
        readme = pathlib.Path(__file__).parents[2] / "python/README.md"
        blocks = readme.read_text(encoding="utf-8").split("```python\n")[1:]
        self.assertEqual(len(blocks), 3)
        names, printed = {}, io.StringIO()
        with contextlib.redirect_stdout(printed):
            for block in blocks:
                exec(block.split("```")[0], names)
        self.assertEqual(names["answer"]["verdict"], "feasible", names["answer"])
        self.assertIn("tokens/s", printed.getvalue())

    def test_the_notebook_prints_what_it_shows(self):
        folder = pathlib.Path(__file__).parents[2] / "python/notebooks"
        notebook = json.loads((folder / "tables.ipynb").read_text(encoding="utf-8"))
        names, before = {}, os.getcwd()
        os.chdir(folder)
        self.addCleanup(os.chdir, before)
        cells = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
        for cell in cells:
            printed = io.StringIO()
            with contextlib.redirect_stdout(printed):
                exec("".join(cell["source"]), names)
            shown = "".join("".join(output["text"]) for output in cell["outputs"])
            self.assertEqual(printed.getvalue(), shown)
        self.assertGreater(names["compared"], 20)

    def test_everything_public_is_documented(self):
        for name in edgeplan.__all__:
            self.assertTrue(inspect.getdoc(getattr(edgeplan, name)), name)
        for name, method in inspect.getmembers(edgeplan.Session, inspect.isfunction):
            if not name.startswith("_"):
                self.assertTrue(inspect.getdoc(method), name)

    def test_every_argument_is_documented(self):
        methods = [edgeplan.Session.plan, edgeplan.Session.compare, edgeplan.Session.solve_with]
        methods += [edgeplan.Session.simulate, edgeplan.load, edgeplan.schedule]
        for function in methods:
            for name in inspect.signature(function).parameters:
                if name != "self":
                    self.assertIn(f":param {name}:", inspect.getdoc(function), function)

    def test_stubs_say_what_the_functions_take(self):
        tree = ast.parse((PACKAGE / "_functions.pyi").read_text())
        stubs = {node.name: node.args for node in tree.body if isinstance(node, ast.FunctionDef)}
        for name in stubs:
            taken = inspect.signature(getattr(_functions, name)).parameters
            arguments = stubs[name]
            stubbed = {one.arg for one in arguments.args + arguments.kwonlyargs}
            stubbed |= {one.arg for one in (arguments.vararg, arguments.kwarg) if one}
            self.assertEqual(stubbed, set(taken), name)

    def test_stubs_of_the_native_module_name_all_of_it(self):
        from edgeplan import _edgeplan

        tree = ast.parse((PACKAGE / "_edgeplan.pyi").read_text())
        kinds = (ast.FunctionDef, ast.ClassDef)
        stubs = {node.name for node in tree.body if isinstance(node, kinds)}
        public = {name for name in dir(_edgeplan) if not name.startswith("_")}
        self.assertEqual(stubs, public)

    def test_lines_are_narrow(self):
        for path in [*PACKAGE.glob("*.py*"), pathlib.Path(__file__)]:
            if path.suffix in (".py", ".pyi"):
                text = path.read_text(encoding="utf-8")
                wide = [line for line in text.splitlines() if len(line) > 100]
                self.assertEqual(wide, [], path)
                list(tokenize.generate_tokens(io.StringIO(text).readline))


if __name__ == "__main__":
    unittest.main()
