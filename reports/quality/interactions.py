"""How well sums over tensors, and sums with terms between tensors, rank measured mixes.

    cargo run --release -p edgeplan-quality --example mixes -- \
        reports/quality/teacher-engine.jsonl bench-data/teacher/teacher.gguf > mixes.csv
    python3 reports/quality/interactions.py mixes.csv     # needs numpy and scipy

Each model is linear in what tensors lose alone, fitted by ridge regression of relative errors
towards plain sums, and predicts a tenth of the mixes that it was not fitted to.
"""

import csv
import sys

import numpy
from scipy.stats import spearmanr

MATRICES = ["attn_q", "attn_k", "attn_v", "attn_output", "ffn_gate", "ffn_up", "ffn_down"]


def place(name):
    """Where a tensor comes in the model."""
    if not name.startswith("blk."):
        return -1 if "embd" in name else 10**6
    _, block, matrix, _ = name.split(".")
    return len(MATRICES) * int(block) + MATRICES.index(matrix)


def predicted(features, prior, strength, measured):
    """Each tenth of the mixes by a fit to the others."""
    order = numpy.random.default_rng(0).permutation(len(measured))
    result = numpy.zeros(len(measured))
    for tenth in range(10):
        left_out = order[tenth::10]
        fitted = numpy.setdiff1d(order, left_out)
        relative = features[fitted] / measured[fitted, None]
        pull = numpy.sqrt(strength * (relative**2).mean(axis=0))
        rows = numpy.vstack([relative, numpy.diag(pull)])
        wanted = numpy.concatenate([numpy.ones(len(fitted)), pull * prior])
        weights = numpy.linalg.lstsq(rows, wanted, rcond=None)[0]
        result[left_out] = features[left_out] @ weights
    return result


def show(name, bits, predictions, measured):
    sizes = [spearmanr(predictions[bits == size], measured[bits == size])[0]
             for size in sorted(set(bits))]
    error = numpy.median(abs(predictions / measured - 1))
    print(f"| {name} | " + " | ".join(f"{rank:.3f}" for rank in sizes) + f" | {100 * error:.1f} % |")


def main(path):
    with open(path, newline="") as file:
        rows = list(csv.DictReader(file))
    names = sorted((name for name in rows[0] if name not in ("bits", "measured")), key=place)
    bits = numpy.array([float(row["bits"]) for row in rows])
    measured = numpy.array([float(row["measured"]) for row in rows])
    alone = numpy.array([[float(row[name]) for name in names] for row in rows])
    root = numpy.sqrt(alone.clip(0))
    count = len(names)

    def pairs(reach):
        near = [(i, j) for i in range(count) for j in range(i + 1, min(count, i + 1 + reach))]
        return numpy.array([root[:, i] * root[:, j] for i, j in near]).T

    print("| model | " + " | ".join(f"{size:g}" for size in sorted(set(bits))) + " | median error |")
    print("| --- |" + " --: |" * (len(set(bits)) + 1))
    show("sums", bits, alone.sum(axis=1), measured)
    for strength in (1, 10, 100):
        show(f"a weight for each tensor, pull {strength}", bits,
             predicted(alone, numpy.ones(count), strength, measured), measured)
    for word, reach in [("terms of tensors within a block's distance", len(MATRICES)),
                        ("terms of all pairs", count)]:
        terms = pairs(reach)
        prior = numpy.concatenate([numpy.ones(count), numpy.zeros(terms.shape[1])])
        for strength in (1, 10, 100):
            show(f"{word}, pull {strength}", bits,
                 predicted(numpy.hstack([alone, terms]), prior, strength, measured), measured)


main(sys.argv[1])
