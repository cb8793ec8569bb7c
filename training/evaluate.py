"""Rate and distortion of averaged weights, in PyTorch: python3 evaluate.py NAME.weights.pt DIR [--tables T.json]

The rate is what the integer tables give for the rounded residuals, which the codec's files meet to a few bytes; the
distortion is that of the float32 synthesis, rounded to 8 bits. --csv FILE writes the points of every picture.
"""
import argparse
import json
import os

import numpy as np
import torch

from data import list_pictures, read_picture
import fused
from exact import MAX_RADIUS, SETS, choose_residuals, gaussian_frequencies, table_costs
from model import SCALES, Lichen, load_weights

QUALITIES = (0.05, 0.2, 0.4, 0.6, 0.8, 0.95)


def load_average(path, effort=0, tables=''):
    """effort: above 0, residuals are chosen as the codec's encoder does; 0: the nearest, one step apart, which no file has; tables:
    what they cost, Gaussian without"""
    fused.enable()
    saved = torch.load(path, map_location='cpu')
    net = Lichen(**saved['sizes'])
    load_weights(net, saved['average'])
    if effort:
        choose_residuals(net, load_tables(tables))
    return net


def load_tables(path):
    return ([[(t['frequencies'], t['escape']) for t in tables] for tables in json.load(open(path))] if path else
            gaussian_frequencies())


@torch.no_grad()
def residual_counts(net, x, q):
    """-> counts of |residual| or |symbol| by table, float64 [SETS][SCALES][MAX_RADIUS + 2] (the last for all beyond);
    x_hat"""
    counts = torch.zeros(SETS, SCALES, MAX_RADIUS + 2, dtype=torch.float64)

    def observe(index, residual, quantiser):
        i, r = index.flatten().long(), residual.flatten().abs().long().clamp_max(MAX_RADIUS + 1)
        if quantiser is not None:
            i = i + SCALES * (1 + quantiser.flatten().long())
        counts.view(-1).index_add_(0, i * (MAX_RADIUS + 2) + r, torch.ones(i.numel(), dtype=torch.float64))

    x_hat, _ = net(x, q, train=False, observe=observe)
    return counts, x_hat


def rate_distortion(net, picture, quality, costs):
    """picture uint8 [3,H,W], H and W multiples of 16 -> bits per pixel, PSNR in dB"""
    x = picture[None].float() / 255
    counts, x_hat = residual_counts(net, x, torch.tensor([quality]))
    mse = ((x_hat.clamp(0, 1) * 255).round() - x * 255).pow(2).mean()
    bits = (counts.numpy() * costs).sum()
    return bits / (x.shape[2] * x.shape[3]), float(10 * torch.log10(255 ** 2 / mse))


def main():
    arg = argparse.ArgumentParser(description=__doc__)
    arg.add_argument('weights')
    arg.add_argument('folder')
    arg.add_argument('--tables', default='')
    arg.add_argument('--effort', type=int, default=1, help='0: the nearest residuals')
    arg.add_argument('--every', type=int, default=1, help='only every so many pictures')
    arg.add_argument('--csv', default='')
    arg = arg.parse_args()
    net, costs = load_average(arg.weights, arg.effort, arg.tables), table_costs(load_tables(arg.tables))
    paths = list_pictures([arg.folder])[::arg.every]
    rows = []
    for quality in QUALITIES:
        points = [rate_distortion(net, read_picture(f), quality, costs) for f in paths]
        rows += ['%s,%g,%.6f,%.4f' % (os.path.basename(f), 100 * quality, *p) for f, p in zip(paths, points)]
        print('quality %2.0f  bpp %.4f  psnr %.3f' % (100 * quality, *np.mean(points, 0)), flush=True)
    if arg.csv:
        with open(arg.csv, 'w') as f:
            f.write('\n'.join(['image,quality,bpp,psnr'] + rows) + '\n')


if __name__ == '__main__':
    main()
