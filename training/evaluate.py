"""Estimated rate and real distortion of averaged weights: python3 evaluate.py NAME.weights.pt DIR [EVERY]"""
import sys

import numpy as np
import torch

from data import list_pictures, read_picture
from model import Lichen

QUALITIES = (0.05, 0.2, 0.4, 0.6, 0.8, 0.95)


def load_average(path):
    saved = torch.load(path, map_location='cpu')
    net = Lichen(**saved['sizes'])
    net.load_state_dict({k: v.float() for k, v in saved['average'].items()})
    return net


@torch.no_grad()
def rate_distortion(net, pictures, quality):
    """-> mean bits per pixel, mean PSNR in dB; pictures uint8 [3,H,W], H and W multiples of 16."""
    points = []
    for x in pictures:
        x = x[None].float() / 255
        x_hat, bpp = net(x, torch.tensor([quality]), train=False)
        mse = ((x_hat.clamp(0, 1) * 255).round() - x * 255).pow(2).mean()
        points.append([float(bpp), float(10 * torch.log10(255 ** 2 / mse))])
    return np.mean(points, 0)


if __name__ == '__main__':
    net = load_average(sys.argv[1])
    pictures = [read_picture(f) for f in list_pictures([sys.argv[2]])[::int(sys.argv[3]) if len(sys.argv) > 3 else 1]]
    for quality in QUALITIES:
        print('quality %.2f  bpp %.4f  psnr %.3f' % (quality, *rate_distortion(net, pictures, quality)), flush=True)
