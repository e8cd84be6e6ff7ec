#!/usr/bin/env python3
"""Divide breast_cancer.csv among two hospitals, three fifths and two fifths, and keep a fifth of each
for the test; patients of either class alike. Deterministic: running it again changes nothing."""
import os

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "data")
parts = {(site, part): [] for site in "ab" for part in ("train", "test")}
seen = {}
with open(os.path.join(HERE, "breast_cancer.csv")) as f:
    next(f)  # rows, columns, names of the classes
    for row in f:
        label = row.strip().rsplit(",", 1)[1]
        k = seen[label] = seen.get(label, -1) + 1
        parts["a" if k % 5 < 3 else "b", "test" if k // 5 % 5 == 4 else "train"].append(row.strip() + "\n")
for (site, part), rows in parts.items():
    folder = os.path.join(HERE, f"hospital-{site}")
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, f"{part}.csv"), "w", newline="\n") as f:
        f.writelines(rows)
    print(f"hospital-{site}/{part}.csv: {len(rows)} patients")
