"""Writes the toy model and the vectors that the C++ tests check: python3 export_test_data.py ../tests/data

toy.lim: a network of a few channels, untrained, started from the KLT of synthetic pictures; it makes round trips take
milliseconds. toy_rounded.lim: the same with residual blocks in 8-bit integers. toy_vectors.json: for every integer layer of it an input and the exact output; for a few latents and
qualities the exact y_hat, scale indices and symbols.
"""
import json
import sys

import torch

from exact import GAIN_UNIT, IntegerModel, at_quality
from export import model_file
from model import Lichen, start_from_klt, start_rounding

TOY = dict(c4=16, c8=16, middle8=8, c16=16, middle16=8, M=16, Z=4, P=8, middle_context=8, Pz=8, n4=1, n8=1, n16=1, thin8=0,
           kernel_ha=3)


def synthetic_pictures(n, size):
    """Smooth colours with edges, [n,3,size,size] in 0..1."""
    coarse = torch.rand(n, 3, size // 16, size // 16)
    x = torch.nn.functional.interpolate(coarse, size=(size, size), mode='bicubic', align_corners=False)
    mask = torch.nn.functional.interpolate(torch.rand(n, 1, size // 8, size // 8), size=(size, size), mode='nearest')
    return (x + 0.3 * (mask > 0.7) + 0.02 * torch.randn(n, 3, size, size)).clamp(0, 1)


def toy_network():
    torch.manual_seed(1)
    net = Lichen(**TOY)
    start_from_klt(net, synthetic_pictures(8, 128))
    with torch.no_grad():  # untrained heads give nearly constant tables; the tests want many
        for chain in net.context:
            chain[-1].conv.weight.mul_(6)
        for chain in net.context_z:
            torch.nn.init.kaiming_normal_(chain[-1].conv.weight)
    return net


def rounded(net):
    """The same network in 8-bit integers wherever it can be."""
    of_bytes = Lichen(**{**net.sizes, 'rounded': 2})
    of_bytes.load_state_dict(net.state_dict(), strict=False)
    start_rounding(of_bytes, 0, [(synthetic_pictures(8, 128), torch.linspace(0, 1, 8))])
    return of_bytes


def layer_vectors(name, layers):
    vectors = []
    for i, layer in enumerate(layers):
        h, w = 5, 3
        x = torch.randint(0, 128, (1, layer.weight.shape[1], h, w)) * (torch.rand(1, 1, h, w) < 0.8)
        vectors.append({'network': name, 'layer': i, 'h': h, 'w': w, 'input': channels_last(x),
                        'output': channels_last(layer(x))})
    return vectors


def channels_last(x):
    return x[0].permute(1, 2, 0).flatten().tolist()


def symbol_vectors(integers, quality_index, h, w, trellis_bits):
    m, z = integers.M, integers.z_exponent.shape[1]
    step = 2.0 ** (at_quality(integers.inverse_gain_y, quality_index).double() / GAIN_UNIT)
    y = (torch.randn(1, m, h, w) * 0.6 / step[None, :, None, None]).clamp(-3e4, 3e4).float()
    z = (torch.randint(-90, 100, (1, z, (h + 3) // 4, (w + 3) // 4)) / 10).float()
    y_hat, z_hat, index, symbol = integers.code(y, z, quality_index, trellis_bits)
    return {'quality_index': quality_index, 'trellis_bits': trellis_bits, 'h': h, 'w': w, 'y': channels_last(y), 'z': channels_last(z), 'z_hat': channels_last(z_hat),
            'y_hat': channels_last(y_hat), 'index': channels_last(index), 'symbol': channels_last(symbol)}


@torch.no_grad()
def main():
    folder = sys.argv[1]
    net = toy_network()
    data, identity = model_file(net, 'toy')
    with open(folder + '/toy.lim', 'wb') as f:
        f.write(data)
    integers = IntegerModel(net)
    layers = layer_vectors('h_s', integers.h_s)
    for k, chain in enumerate(integers.context):
        layers += layer_vectors('context.%d' % k, chain)
    for k, chain in enumerate(integers.context_z):
        layers += layer_vectors('context_z.%d' % (k + 1), chain)
    symbols = [symbol_vectors(integers, *case) for case in ((0, 4, 4, 6), (300, 6, 5, 8), (511, 1, 1, 6), (640, 3, 9, 4), (896, 7, 2, 5))]
    with open(folder + '/toy_vectors.json', 'w') as f:
        json.dump({'model': identity, 'layers': layers, 'symbols': symbols}, f, separators=(',', ':'))
    with open(folder + '/toy_rounded.lim', 'wb') as f:
        f.write(model_file(rounded(net), 'toy-rounded')[0])
    print('toy.lim: %d bytes, id %s' % (len(data), identity))


if __name__ == '__main__':
    main()
