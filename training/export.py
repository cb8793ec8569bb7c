"""Writes a model file from averaged weights: python3 export.py NAME.weights.pt OUT.lim --name NAME [--tables T.json]

The file is described in bitstream/FORMAT.md, "Model file". --tables takes the output of refit_tables.py; without it the
entropy tables are Gaussian. --post-filter takes that of post_filter.py.
"""
import argparse
import copy
import ctypes
import ctypes.util
import hashlib
import json
import struct
import zlib

import numpy as np
import torch
import torch.nn as nn

from evaluate import load_average, load_tables
from exact import EXP2, GAIN_UNIT, SCALE_PER_EXPONENT, IntegerModel, exponents, gaussian_frequencies
from model import PHASE_ORDER, UNITS_PER_STD, DepthToSpace, Gain, PixelConv, Residual, SpaceToDepth

SIGNATURE = b'\x89LIM\r\n\x1a\n'
VERSION = 0
TYPES = {'f16': '<f2', 's8': '<i1', 's16': '<i2', 'u16': '<u2', 's32': '<i4'}


def zstd_compress(data, level=-1):
    """A negative level leaves out the entropy coding. Weights are nearly noise: it saves a tenth of the file and takes 6
    to 8 ms whenever a program starts."""
    lib = ctypes.CDLL(ctypes.util.find_library('zstd') or 'libzstd.so.1')
    for f in ('ZSTD_compressBound', 'ZSTD_compress'):
        getattr(lib, f).restype = ctypes.c_size_t
    lib.ZSTD_compressBound.argtypes = [ctypes.c_size_t]
    lib.ZSTD_compress.argtypes = [ctypes.c_char_p, ctypes.c_size_t, ctypes.c_char_p, ctypes.c_size_t, ctypes.c_int]
    out = ctypes.create_string_buffer(lib.ZSTD_compressBound(len(data)))
    size = lib.ZSTD_compress(out, len(out), data, len(data), level)
    if size > len(out):
        raise RuntimeError('zstd failed')
    return out.raw[:size]


class Section:
    """JSON and the tensors it names: u32 length of the JSON, JSON, tensors one after another."""

    def __init__(self):
        self.json, self.tensors, self.blob = {}, {}, b''

    def add(self, name, kind, values):
        array = np.asarray(values.detach().cpu().numpy() if torch.is_tensor(values) else values)
        packed = array.astype(TYPES[kind])
        if kind == 'f16':
            if not np.isfinite(packed).all():
                raise ValueError(name + ' does not fit a 16-bit float')
        elif not (packed == array).all():
            raise ValueError(name + ' does not fit ' + kind)
        self.tensors[name] = {'type': kind, 'count': int(packed.size), 'offset': len(self.blob)}
        self.blob += packed.tobytes()

    def bytes(self):
        text = json.dumps({**self.json, 'tensors': self.tensors}, separators=(',', ':')).encode()
        return struct.pack('<I', len(text)) + text + self.blob

    @staticmethod
    def packed(raw):
        small = zstd_compress(raw)
        return struct.pack('<III', len(raw), len(small), zlib.crc32(small)) + small


def describe_convolution(section, name, conv, relu, slope=0, step=None):
    section.add(name + '.weight', 'f16', conv.weight)
    section.add(name + '.bias', 'f16', conv.bias)
    out, cin, kernel, _ = conv.weight.shape
    if step is not None:
        section.add(name + '.step', 's16', exponents(step, GAIN_UNIT))
    return {'type': 'convolution', 'name': name, 'in': cin, 'out': out, 'kernel': kernel, 'stride': conv.stride[0],
            'relu': relu, **({'slope': slope} if slope else {}), **({'steps': True} if step is not None else {})}


def describe_transform(section, name, layers):
    described = []
    for i, m in enumerate(layers):
        here = '%s.%d' % (name, i)
        if isinstance(m, nn.Conv2d):
            described.append({**describe_convolution(section, here, m, False),
                              **({'pixels': True} if isinstance(m, PixelConv) else {})})
        elif isinstance(m, nn.ReLU):
            described[-1]['relu'] = True
        elif isinstance(m, Residual):
            step_a, step_b = (m.step_a, m.step_b) if m.rounded else (None, None)
            described.append({'type': 'residual',
                              'a': describe_convolution(section, here + '.a', m.a, True, m.SLOPE, step_a),
                              'b': describe_convolution(section, here + '.b', m.b, False, 0, step_b)})
        elif isinstance(m, SpaceToDepth):
            described.append({'type': 'space_to_depth', 'factor': m.factor})
        elif isinstance(m, DepthToSpace):
            described.append({'type': 'depth_to_space', 'factor': m.factor})
        elif isinstance(m, Gain):
            section.add(here, 's16', exponents(m.p, GAIN_UNIT))
            described.append({'type': 'gain', 'name': here})
        else:
            raise TypeError('no export for %s' % type(m).__name__)
    return described


def describe_integer_network(section, name, layers):
    described = []
    for i, layer in enumerate(layers):
        here = '%s.%d' % (name, i)
        section.add(here + '.weight', 's8', layer.weight)
        section.add(here + '.bias', 's32', layer.bias)
        section.add(here + '.multiplier', 's16', layer.multiplier)
        section.add(here + '.shift', 's8', layer.shift)
        out, cin, kernel, _ = layer.weight.shape
        described.append({'name': here, 'in': cin, 'out': out, 'kernel': kernel, 'relu': layer.relu,
                          'depth_to_space': layer.depth_to_space})
    return described


def describe_post_filter(section, fitted):
    """fitted: of post_filter.py"""
    section.add('post_filter.mean', 'f16', fitted['mean'])
    section.add('post_filter.components', 'f16', fitted['components'])
    section.add('post_filter.amplitude', 's16', exponents(torch.log2(fitted['amplitude']), GAIN_UNIT))
    # Rice codes are shortest where their remainder has about log2 of the mean of folded values.
    section.add('post_filter.sizes', 's8', torch.log2(1.1 * fitted['deviation']).round())
    return {'features': fitted['mean'].shape[1], 'components': len(fitted['components'])}


def decoder_section(net, integers, name, tables, post_filter=None):
    s = Section()
    sizes = net.sizes
    s.json = {'name': name, 'latent_channels': sizes['M'], 'hyper_channels': sizes['Z'], 'feature_channels': sizes['P'],
              'phase_order': list(PHASE_ORDER), 'scale_per_exponent': SCALE_PER_EXPONENT}
    s.json['g_s'] = describe_transform(s, 'g_s', net.g_s)
    s.json['h_s'] = describe_integer_network(s, 'h_s', integers.h_s)
    s.json['context'] = [describe_integer_network(s, 'context.%d' % k, c) for k, c in enumerate(integers.context)]
    s.json['context_z'] = [describe_integer_network(s, 'context_z.%d' % (k + 1), c)
                           for k, c in enumerate(integers.context_z)]
    s.add('exp2', 'u16', EXP2)
    s.add('context_exponent', 's16', integers.context_exponent)
    s.add('inverse_gain_y', 's16', integers.inverse_gain_y)
    s.add('z_exponent', 's16', integers.z_exponent)
    s.add('z_scale', 's16', integers.z_scale)
    tables = [t for of_set in tables for t in of_set]
    s.add('tables.radius', 'u16', [len(f) - 1 for f, _ in tables])
    s.add('tables.escape', 'u16', [e for _, e in tables])
    s.add('tables.frequency', 'u16', [v for f, _ in tables for v in f])
    if post_filter:
        s.json['post_filter'] = describe_post_filter(s, post_filter)
    return s


def fold_units(net):
    """h_a with the scaling of its input and output in its weights, so that it takes y as g_a gives it."""
    h_a = [m for m in net.h_a]
    first, last = (copy.deepcopy(h_a[i]) for i in (0, -1))
    units = (torch.exp2(net.unit_y) / UNITS_PER_STD)[None, :, None, None]
    first.weight.data, first.bias.data = h_a[0].weight.data * units.detach(), h_a[0].bias.data
    last.weight.data, last.bias.data = h_a[-1].weight.data * 16, h_a[-1].bias.data * 16
    return [first, *h_a[1:-1], last]


def encoder_section(net, integers):
    s = Section()
    s.json['g_a'] = describe_transform(s, 'g_a', net.g_a)
    s.json['h_a'] = describe_transform(s, 'h_a', fold_units(net))
    s.add('gain_y', 's16', integers.gain_y)
    return s


def model_file(net, name, tables=None, post_filter=None):
    """-> bytes of the model file, id as 16 hexadecimal digits"""
    integers = IntegerModel(net)
    decoder = decoder_section(net, integers, name, tables or gaussian_frequencies(), post_filter).bytes()
    identity = hashlib.sha256(decoder).digest()[:8]
    encoder = encoder_section(net, integers).bytes()
    head = SIGNATURE + bytes([VERSION]) + identity
    return head + Section.packed(decoder) + Section.packed(encoder), identity.hex()


def main():
    arg = argparse.ArgumentParser(description=__doc__)
    arg.add_argument('weights')
    arg.add_argument('out')
    arg.add_argument('--name', required=True)
    arg.add_argument('--tables', default='')
    arg.add_argument('--post-filter', default='', help='output of post_filter.py; without it there is none')
    arg = arg.parse_args()
    post_filter = torch.load(arg.post_filter) if arg.post_filter else None
    data, identity = model_file(load_average(arg.weights), arg.name, load_tables(arg.tables), post_filter)
    with open(arg.out, 'wb') as f:
        f.write(data)
    print('%s: %d bytes, id %s' % (arg.out, len(data), identity))


if __name__ == '__main__':
    main()
