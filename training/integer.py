"""Layers of the entropy networks, simulated in floating point while training ("fake quantisation").

What decides a symbol is integer arithmetic with one exact result (Balle et al., Integer Networks for Data
Compression, ICLR 2019). Activations are integers 0..127, weights -127..127; every layer's output is re-quantised by a
multiplier per channel. bitstream/FORMAT.md writes the arithmetic out; exact.py computes it without rounding errors.
"""
import torch
import torch.nn as nn
import torch.nn.functional as F

import fused

ACTIVATION_MAX = 127
WEIGHT_MAX = 127


class LowerBound(torch.autograd.Function):
    """max(x, bound) whose gradient still passes where it would lift x back over the bound."""

    @staticmethod
    def forward(ctx, x, bound):
        ctx.save_for_backward(x)
        ctx.bound = bound
        return x.clamp_min(bound)

    @staticmethod
    def backward(ctx, grad):
        x, = ctx.saved_tensors
        return grad * ((x >= ctx.bound) | (grad < 0)), None


def round_through(x):
    """floor(x + 0.5), with the gradient of the identity (straight-through estimator)."""
    return x + (torch.floor(x + 0.5) - x).detach()


def signed_to_unsigned(v):
    """Integers of either sign [N,C,H,W] -> two channels each, clamp(v, 0, 127) then clamp(-v, 0, 127): [N,2C,H,W]."""
    return torch.cat([v.clamp(0, ACTIVATION_MAX), (-v).clamp(0, ACTIVATION_MAX)], 1)


class IntegerConv(nn.Module):
    """Convolution with integer inputs and weights; stride 1, zero padding.

    relu:  outputs are integers 0..127.
    else:  a head; outputs are real numbers, which export rounds to 2^-fraction_bits; `gain` only sets how fast
           the outputs learn.
    """

    def __init__(self, cin, cout, kernel=3, relu=True, gain=None):
        super().__init__()
        self.conv = nn.Conv2d(cin, cout, kernel, padding=kernel // 2)
        nn.init.kaiming_normal_(self.conv.weight, nonlinearity='relu')
        nn.init.zeros_(self.conv.bias)
        self.relu = relu
        self.register_buffer('gain', torch.ones(cout) if gain is None else gain)

    BIAS_UNIT = 16.0  # activations span 127, not 1: without this the biases would learn a hundred times slower

    def quantised(self):
        """-> weight integers (as floats, straight-through), scale [cout], bias [cout]; output = scale * acc + bias."""
        w = self.conv.weight
        scale = (w.detach().abs().flatten(1).amax(1) / WEIGHT_MAX).clamp_min(1e-8)
        integers = round_through(w / scale[:, None, None, None])
        return integers, scale * self.gain, self.conv.bias * self.BIAS_UNIT * self.gain

    def forward(self, x):
        if self.relu and fused.usable(x):
            w, scale = fused.IntegerWeights.apply(self.conv.weight, None)
            sums = F.conv2d(x.to(torch.bfloat16), w, padding=self.conv.padding)
            return fused.Requantise.apply(sums, scale * self.gain, self.conv.bias * self.BIAS_UNIT * self.gain)
        w, scale, bias = self.quantised()
        if self.relu:
            acc = F.conv2d(x, w, padding=self.conv.padding)  # integers up to 127 are exact in bf16
            v = acc.float() * scale[:, None, None] + bias[:, None, None]
            return round_through(v.clamp(0, ACTIVATION_MAX))
        with torch.autocast(x.device.type, enabled=False):
            acc = F.conv2d(x.float(), w, padding=self.conv.padding)
            return acc * scale[:, None, None] + bias[:, None, None]


class IntegerUpsample(nn.Module):
    """Integer convolution to 4 * cout channels, then depth-to-space by 2 (channel order of torch.pixel_shuffle)."""

    def __init__(self, cin, cout, kernel=3):
        super().__init__()
        self.c = IntegerConv(cin, 4 * cout, kernel)

    def forward(self, x):
        return F.pixel_shuffle(self.c(x), 2)
