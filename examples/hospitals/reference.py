#!/usr/bin/env python3
"""The model that one process computes from all rows: what train.c must equal to 1e-9.

An independent implementation (standard library only). Usage: reference.py [--iterations N]
[--rate R] [--l2 L] TRAIN.CSV... ; prints {"weights": [...], "bias", "mean", "std", "loss"}.
"""
import argparse
import json
import math

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--iterations", type=int, default=300)
parser.add_argument("--rate", type=float, default=0.5)
parser.add_argument("--l2", type=float, default=0.0)
parser.add_argument("files", nargs="+")
args = parser.parse_args()

x, y = [], []
for name in args.files:
    with open(name) as f:
        for line in f:
            *features, label = map(float, line.split(","))
            x.append(features)
            y.append(label)
n = len(x)
columns = list(zip(*x))
mean = [math.fsum(c) / n for c in columns]
std = [math.sqrt(math.fsum((v - m) ** 2 for v in c) / n) or 1.0 for c, m in zip(columns, mean)]
x = [[(v - m) / s for v, m, s in zip(row, mean, std)] for row in x]

weights, bias = [0.0] * len(mean), 0.0


def margins():
    return [math.fsum(w * v for w, v in zip(weights, row)) + bias for row in x]


for _ in range(args.iterations):
    error = [1 / (1 + math.exp(-z)) - label for z, label in zip(margins(), y)]
    gradient = [math.fsum(e * row[j] for e, row in zip(error, x)) / n for j in range(len(weights))]
    weights = [w - args.rate * (g + args.l2 * w) for w, g in zip(weights, gradient)]
    bias -= args.rate * math.fsum(error) / n

loss = math.fsum(max(z, 0) - z * label + math.log1p(math.exp(-abs(z))) for z, label in zip(margins(), y)) / n
loss += args.l2 / 2 * math.fsum(w * w for w in weights)
print(json.dumps({"weights": weights, "bias": bias, "mean": mean, "std": std, "loss": loss}))
