"""Refits the entropy tables to residuals: python3 refit_tables.py NAME.weights.pt OUT.json --data DIR [--valid DIR]

The tables are Gaussians at first; real residuals have other tails. This counts the residuals of each table over crops
of the training pictures at qualities drawn at random, and writes the tables that code them best. Prints what that saves
on other pictures.
"""
import argparse
import json

import numpy as np
import torch

from data import Crops, list_pictures, read_names, read_picture
from evaluate import load_average, residual_counts
from exact import MAX_RADIUS, choose_residuals, frequencies_from_weights, gaussian_frequencies, gaussian_weights, table_costs
from model import SCALES

PRIOR = 300.0  # pseudo-counts of the Gaussian, so that rare tables and tails stay sane


@torch.no_grad()
def histograms(net, batches):
    """-> counts of |residual| by table, summed over (pictures, qualities)"""
    counts = 0
    for x, q in batches:
        counts = counts + residual_counts(net, x, q)[0]
    return counts.numpy()


def refit(counts):
    return [refit_set(set_, c) for set_, c in enumerate(counts)]


def refit_set(set_, counts):
    tables = []
    for i in range(SCALES):
        if i == 0:  # not coded
            tables.append(gaussian_frequencies()[set_][0])
            continue
        p, _ = gaussian_weights(set_, i)
        # a symbol of its own for all that is common: as far as three in a hundred thousand
        seen = counts[i]
        above = seen.sum() - np.cumsum(seen)
        radius = len(p) - 1
        while radius < min(MAX_RADIUS, 2 * len(p) + 2) and above[radius] > 3e-5 * (seen.sum() + PRIOR):
            radius += 1
        smooth = np.zeros(radius + 1)
        smooth[:len(p)] = np.asarray(p) * PRIOR
        smooth[0] += seen[0]
        smooth[1:] += seen[1:radius + 1] / 2
        tail = above[radius] + PRIOR * 2.0 ** -15
        tables.append(frequencies_from_weights((smooth.tolist(), float(tail))))
    return tables


def main():
    arg = argparse.ArgumentParser(description=__doc__)
    arg.add_argument('weights')
    arg.add_argument('out')
    arg.add_argument('--data', nargs='+', required=True)
    arg.add_argument('--valid', default='')
    arg.add_argument('--exclude', default='', help='file with names of tiles to leave out, one a line')
    arg.add_argument('--batches', type=int, default=100)
    arg = arg.parse_args()
    net = load_average(arg.weights, effort=1)  # the residuals that the encoder gives by default
    crops = Crops(arg.data, 256, 'cpu', read_names(arg.exclude))
    batches = [(crops.batch(4), torch.rand(4)) for _ in range(arg.batches)]
    sets = gaussian_frequencies()
    for _ in range(2):  # what is chosen depends on what it costs
        choose_residuals(net, sets)
        sets = refit(histograms(net, batches))
    choose_residuals(net, sets)
    with open(arg.out, 'w') as f:
        json.dump([[{'frequencies': list(map(int, t)), 'escape': int(e)} for t, e in tables] for tables in sets], f,
                  separators=(',', ':'))
    if arg.valid:
        for quality in (0.05, 0.5, 0.95):
            pictures = [read_picture(f)[None].float() / 255 for f in list_pictures([arg.valid])[::4]]
            seen = histograms(net, ((x, torch.tensor([quality])) for x in pictures))
            before, after = (seen * table_costs(gaussian_frequencies())).sum(), (seen * table_costs(sets)).sum()
            print('quality %.2f: %+.2f %% of the rate' % (quality, 100 * (after / before - 1)))


if __name__ == '__main__':
    main()
