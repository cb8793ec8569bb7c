"""The integer networks computed exactly, as bitstream/FORMAT.md writes them out. Judge of the C++ in its tests.

An IntegerModel holds what the export writes to the decoder section; everything here is int64 (convolutions in float64,
which is exact below 2^53), so the results do not depend on the machine.
"""
import math

import numpy as np
import torch
import torch.nn.functional as F

from integer import ACTIVATION_MAX, IntegerUpsample
from model import PHASE_ORDER, QUALITY_ANCHORS, SCALE_0, SCALE_OCTAVES, SCALES
from trellis import LARGEST, LEVEL, Trellis, cells, next_states

QUALITY_STEPS = 128      # quality indices between two anchors
EXPONENT_UNIT = 256      # exponents of the integer networks count 1/256 octaves
GAIN_UNIT = 2048         # those of the float transforms 1/2048, or skies would be a level off
MEAN_HEAD_BITS = 8
RESIDUAL_LIMIT = 1 << 14
HEAD_LIMIT = (1 << 23) - 1
LEVEL_SIXTEENTHS = round(16 * LEVEL)
MAX_RADIUS = 4095        # of a table
SETS = 3                 # of tables: of z, and of y's two quantisers
EXP2 = [round(2 ** 14 * 2 ** (i / 256)) for i in range(256)]
SCALE_PER_EXPONENT = round(65536 * 16 / (SCALE_OCTAVES * EXPONENT_UNIT))


def rounding_shift(v, shift):
    return v if shift == 0 else (v + (1 << (shift - 1))) >> shift


def times_exp2(v, exponent):
    """floor(v * 2^(exponent / 256) + 1/2) by the table; v int64 tensor."""
    product, shift = v * EXP2[exponent & 255], 14 - (exponent >> 8)
    return rounding_shift(product, shift) if shift >= 0 else product << -shift


def fixed_multiplier(scale):
    """scale > 0 -> m, s with m / 2^s next to scale, 2^14 <= m < 2^15 and 1 <= s <= 40."""
    shift = 14 - math.floor(math.log2(scale))
    m = round(scale * 2 ** shift)
    if m == 1 << 15:
        m, shift = m >> 1, shift - 1
    if shift > 40:  # a channel that is as good as dead
        m, shift = round(scale * 2 ** 40), 40
    if shift < 1:
        raise ValueError('a scale of %g cannot be written as multiplier and shift' % scale)
    return m, shift


class IntegerLayer:
    def __init__(self, module):
        upsample = isinstance(module, IntegerUpsample)
        layer = module.c if upsample else module
        self.depth_to_space, self.relu = 2 if upsample else 1, layer.relu
        with torch.no_grad():
            weight, scale, bias = (t.double() for t in layer.quantised())
        self.weight = weight.round().long()
        bits = torch.zeros_like(scale) if self.relu else self.head_bits(scale)
        scale, bias = scale * 2 ** bits, bias * 2 ** bits
        self.multiplier, self.shift = (torch.tensor(v) for v in zip(*map(fixed_multiplier, scale.tolist())))
        self.bias = (bias / scale).round().long()
        bound = ACTIVATION_MAX * self.weight.abs().flatten(1).sum(1) + self.bias.abs()
        if int(bound.max()) >= 1 << 24:
            raise ValueError('sums can reach 2^24: %d' % int(bound.max()))

    @staticmethod
    def head_bits(scale):
        """Means carry 8 fractional bits, scale indices (already in sixteenths) none."""
        half = scale.numel() // 2
        return torch.cat([torch.full((half,), float(MEAN_HEAD_BITS)), torch.zeros(half)]).to(scale)

    def __call__(self, x):
        """x int64 [N,C,H,W] -> int64"""
        acc = F.conv2d(x.double(), self.weight.double(), padding=self.weight.shape[2] // 2).long()
        acc = acc + self.bias[:, None, None]
        if self.relu:
            acc = acc.clamp_min(0)
        s = self.shift[:, None, None]
        v = (acc * self.multiplier[:, None, None] + (1 << (s - 1))) >> s
        v = v.clamp_max(ACTIVATION_MAX) if self.relu else v.clamp(-HEAD_LIMIT, HEAD_LIMIT)
        return F.pixel_shuffle(v, 2) if self.depth_to_space == 2 else v


def exponents(log2_table, unit=EXPONENT_UNIT):
    """[anchor][channel] log2 values -> integers in 1/unit octaves"""
    return (log2_table.detach().double() * unit).round().long()


def at_quality(table, quality_index):
    anchor = min(quality_index // QUALITY_STEPS, QUALITY_ANCHORS - 2)
    f = quality_index - anchor * QUALITY_STEPS
    return (table[anchor] * (QUALITY_STEPS - f) + table[anchor + 1] * f + 64) >> 7


def split_signs(v):
    return torch.cat([v.clamp(0, ACTIVATION_MAX), (-v).clamp(0, ACTIVATION_MAX)], 1)


class IntegerModel:
    def __init__(self, net):
        self.M = net.M
        self.h_s = [IntegerLayer(m) for m in net.h_s]
        self.context = [[IntegerLayer(m) for m in chain] for chain in net.context]
        self.context_z = [[IntegerLayer(m) for m in chain] for chain in net.context_z]
        self.context_exponent = exponents(net.inverse_gain_y.p + net.unit_y[None])
        self.inverse_gain_y, self.gain_y = (exponents(g.p, GAIN_UNIT) for g in (net.inverse_gain_y, net.gain_y))
        self.z_exponent = exponents(net.exponent_z)
        self.z_scale = (16 * (net.scale_z.detach().double() - math.log2(SCALE_0)) / SCALE_OCTAVES).round().long()

    def features(self, z_hat, quality_index, h, w):
        """z_hat int64 [1,Z,hz,wz] in sixteenths -> int64 [1,P,h,w]"""
        x = split_signs(sixteenths_to_units(z_hat, at_quality(self.z_exponent, quality_index).tolist()))
        for layer in self.h_s:
            x = layer(x)
        return x[:, :, :h, :w]

    def code(self, y, z, quality_index, trellis_bits):
        """y float64 [1,M,h,w], z float64 [1,Z,hz,wz] in steps -> y_hat and z_hat in sixteenths, scale index and symbol
        of y (int64 [1,M,h,w]), symbol by symbol the nearest that the trellis leaves open."""
        z_hat = self.code_z(z, quality_index)[0]
        features = self.features(z_hat, quality_index, *y.shape[2:])
        e = at_quality(self.context_exponent, quality_index).tolist()
        offset = [rounding_shift(v * SCALE_PER_EXPONENT, 16) for v in e]

        def head(k, units):
            x = features
            if k:
                x = torch.cat([features, split_signs(units)], 1)
            for layer in self.context[k]:
                x = layer(x)
            return x

        y_hat, index, symbol = code_steps(y, e, offset, head, trellis_bits)
        return y_hat, z_hat, index, symbol

    def code_z(self, z, quality_index):
        """z float64 [1,Z,hz,wz] in steps -> z_hat in sixteenths, scale index, residual"""
        e = at_quality(self.z_exponent, quality_index).tolist()

        def head(k, units):
            if k == 0:
                return torch.zeros(1, 2 * z.shape[1], *z.shape[2:], dtype=torch.int64)
            x = split_signs(units)
            for layer in self.context_z[k - 1]:
                x = layer(x)
            return x

        return code_steps(z, e, (-at_quality(self.z_scale, quality_index)).tolist(), head)


def sixteenths_to_units(v, e):
    """v int64 [1,C,h,w] in sixteenths of a step, e[C] -> context units"""
    return torch.cat([times_exp2(v[:, c:c + 1], e[c] - 4 * 256) for c in range(v.shape[1])], 1)


def code_steps(v, e, offset, head, trellis_bits=0):
    """The four steps that code v float64 [1,C,h,w], in steps, of y with a trellis; head(k, units) gives the sums of step k
    -> v_hat in sixteenths, scale index, residual or symbol"""
    channels, h, w = v.shape[1:]
    v_hat, index, residual = (torch.zeros(v.shape, dtype=torch.int64) for _ in range(3))
    phase = torch.arange(h)[:, None] % 2 * 2 + torch.arange(w)[None] % 2
    group = torch.arange(channels) // (channels // 4)
    offset = torch.tensor(offset)[None, :, None, None]
    states, state = next_states(trellis_bits) if trellis_bits else None, 0
    for k in range(4):
        mean, scale = head(k, sixteenths_to_units(v_hat, e)).chunk(2, 1)
        mean = torch.cat([times_exp2(mean[:, c:c + 1], (4 - MEAN_HEAD_BITS) * 256 - e[c]) for c in range(channels)], 1)
        mean = mean.clamp(-2 ** 15, 2 ** 15 - 1)
        i = ((scale - offset + 8) >> 4).clamp(0, SCALES - 1)
        exact = v.float() - mean.float() / 16
        coded = (phase[None] == torch.tensor(PHASE_ORDER)[(group + k) % 4][:, None, None])[None]
        if states:
            r, level, state = follow(states, state, exact.clamp(-RESIDUAL_LIMIT, RESIDUAL_LIMIT), coded & (i > 0))
            value = mean + LEVEL_SIXTEENTHS * level
        else:
            r = torch.floor(exact + 0.5).long().clamp(-RESIDUAL_LIMIT, RESIDUAL_LIMIT)
            r = torch.where(i == 0, torch.zeros_like(r), r)
            value = mean + 16 * r
        v_hat = torch.where(coded, value, v_hat)
        index = torch.where(coded, i, index)
        residual = torch.where(coded, r, residual)
    return v_hat, index, residual


def follow(states, state, exact, coded):
    """The nearest levels, in order of rows, columns and channels, where `coded` -> symbols, levels, the last state"""
    symbol, level = torch.zeros(exact.shape, dtype=torch.int64), torch.zeros(exact.shape, dtype=torch.int64)
    half = np.float32(0.5)
    for y, x, c in coded[0].permute(1, 2, 0).nonzero().tolist():
        value, quantiser = np.float32(exact[0, c, y, x]), state & 1
        size, shift = abs(value), np.float32(quantiser * LEVEL)
        k = int((size + shift) / np.float32(2 * LEVEL) + half)
        if k == 1 and size < shift * half:
            k = 0
        k = -k if value < 0 else k
        symbol[0, c, y, x] = k
        level[0, c, y, x] = 2 * k - quantiser * ((k > 0) - (k < 0))
        state = states[state][k & 1]
    return symbol, level, state


def gaussian_frequencies(total_bits=15, max_radius=MAX_RADIUS):
    """-> three sets of tables, of z and of the two quantisers of y (trellis.py), for each scale: frequencies f[0..R] (f[r]
    of +r and of -r) and the escape's, summing to 2^total_bits."""
    not_coded = [(1 << total_bits) - 1], 1
    return [[not_coded] + [frequencies_from_weights(gaussian_weights(set_, i, max_radius), total_bits)
                           for i in range(1, SCALES)] for set_ in range(SETS)]


def bounds(set_, magnitude):
    """The values that a residual of z, or a symbol of y, stands for, in steps."""
    return cells(set_ - 1, magnitude) if set_ else (magnitude - 0.5, magnitude + 0.5)


def gaussian_weights(set_, index, max_radius=MAX_RADIUS):
    """Probabilities of 0, of +-1 each, ... R, then of all beyond; R where the tail is negligible."""
    sigma = SCALE_0 * 2 ** (index * SCALE_OCTAVES)
    cdf = lambda v: 0.5 * math.erfc(-v / (sigma * math.sqrt(2)))
    within = lambda lower, upper: cdf(-lower) - cdf(-upper)
    radius = min(max_radius, max(1, math.ceil(4.5 * sigma / (bounds(set_, 3)[1] - bounds(set_, 3)[0]))))
    p = [within(*bounds(set_, r)) for r in range(radius + 1)]
    return p, max(2 * cdf(-bounds(set_, radius)[1]), 2.0 ** -20)


def frequencies_from_weights(weights, total_bits=15):
    """Integer frequencies near the weights, none 0, with the sum f0 + 2 (f1 + ...) + escape = 2^total_bits exactly."""
    p, tail = weights
    total = 1 << total_bits
    scale = total / (p[0] + 2 * sum(p[1:]) + tail)
    f = [max(1, round(v * scale)) for v in p]
    escape = max(1, round(tail * scale))
    while True:
        excess = f[0] + 2 * sum(f[1:]) + escape - total
        if excess <= 0:
            f[0] -= excess
            return f, escape
        if f[0] - excess >= f[min(1, len(f) - 1)]:
            f[0] -= excess
            return f, escape
        for r in np.argsort(f[1:])[::-1][:max(1, excess // 2)]:  # take from the likeliest
            if f[1 + r] > 1:
                f[1 + r] -= 1


def table_costs(sets):
    """Bits of a magnitude r under each table: [SETS][SCALES][MAX_RADIUS + 2], the last for all beyond. A magnitude past a
    table's own is an escape: Exp-Golomb code and sign. Table 0 costs nothing."""
    costs = np.zeros((len(sets), SCALES, MAX_RADIUS + 2))
    r = np.arange(MAX_RADIUS + 2)
    for to, tables in zip(costs, sets):
        for i, (frequencies, escape) in enumerate(tables):
            if i == 0:
                continue
            f = np.asarray(frequencies, dtype=float)
            own = 15 - np.log2(f[np.minimum(r, len(f) - 1)])
            beyond = 15 - math.log2(escape) + 2 * np.floor(np.log2(np.maximum(r - len(f) + 1, 1))) + 2
            to[i] = np.where(r < len(f), own, beyond)
    return costs


BITS_PER_SQUARED_STEP = 14  # as in codec/entropy_model.cc
BITS_PER_SQUARED_STEP_OF_Z = 24
FINER_Z = 0.45  # from this quality on the encoder takes the nearest z
LARGEST_MOVED = 15


def choose_residuals(net, sets, weight=BITS_PER_SQUARED_STEP, weight_of_z=BITS_PER_SQUARED_STEP_OF_Z):
    """From now on net codes what the encoder codes."""
    costs = table_costs(sets)
    net.trellis = Trellis(torch.tensor(costs[1:, :, :LARGEST + 1], dtype=torch.float32), weight)
    net.thresholds_of_z = zero_thresholds(costs[0], sets[0], weight_of_z).to(net.scale_z.device)
    net.finer_z = FINER_Z


def zero_thresholds(costs, tables, weight):
    """-> [SCALES][LARGEST_MOVED]: a residual of magnitude r goes to r - 1 when the value exceeds r by less than
    thresholds[table][r - 1], as the codec's encoder decides it; -1: never."""
    t = (np.diff(costs[:, :LARGEST_MOVED + 1], axis=1) / weight - 1) / 2
    for i, (frequencies, _) in enumerate(tables):
        t[i, max(0, len(frequencies) - 1):] = -1
    return torch.tensor(t, dtype=torch.float32)
