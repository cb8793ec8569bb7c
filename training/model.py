"""The Lichen network.

    x --g_a--> y --quantise--> y_hat --g_s--> x_hat        g_a, h_a, g_s: float
               |  ^ mean, scale                             h_s, context: integers (integer.py)
              h_a |
               z --quantise--> z_hat --h_s--> features --context, 4 steps--> mean, scale

Scale hyperprior: Balle et al. 2018 (arXiv:1802.01436). Gain units: Cui et al. 2021 (arXiv:2003.02012).
Four-step channel/checkerboard context, of y and of z: after Li et al., DCVC-DC, CVPR 2023 (arXiv:2302.14402).

Units. `y` counts quantisation steps of the quality at hand. The entropy networks work in *context units*, which do not
depend on the quality: one quantisation step of channel c is 2^e context units, e = context_exponent at that quality.
"""
import math

import torch
import torch.nn as nn
import torch.nn.functional as F

import fused
from integer import (ACTIVATION_MAX, WEIGHT_MAX, IntegerConv, IntegerUpsample, LowerBound, round_through,
                     signed_to_unsigned)
from trellis import LEVEL

QUALITY_ANCHORS = 8
LAMBDA_RANGE = (0.0004, 0.32)  # times 255^2 * MSE; quality 0 and quality 1
SCALES = 64                    # entropy tables; standard deviation of table i: SCALE_0 * 2^(i * SCALE_OCTAVES)
SCALE_0 = 0.125                # table 0 means: not coded, residual 0
SCALE_OCTAVES = 3 / 16
PHASE_ORDER = (0, 3, 1, 2)     # of a 2x2 block, raster numbered: the diagonal first
UNITS_PER_STD = 16             # context units per standard deviation of y at the start


def conv(cin, cout, kernel=3, stride=1):
    return nn.Conv2d(cin, cout, kernel, stride, kernel // 2)


class SpaceToDepth(nn.Module):
    def __init__(self, factor):
        super().__init__()
        self.factor = factor

    def forward(self, x):
        return F.pixel_unshuffle(x, self.factor)


class DepthToSpace(nn.Module):
    def __init__(self, factor):
        super().__init__()
        self.factor = factor

    def forward(self, x):
        return F.pixel_shuffle(x, self.factor)


class Residual(nn.Module):
    """x + b(leaky_relu(a(x)))

    rounded: both convolutions take and multiply 8-bit integers, which processors do twice as fast as bfloat16.

    The slope keeps units alive: with ReLU most of those in g_a and at 1/16 were 0 for every input after 40 000 steps."""

    SLOPE = 0.01

    def __init__(self, channels, middle=None, rounded=False):
        super().__init__()
        middle = middle or channels
        self.a, self.b = conv(channels, middle), conv(middle, channels)
        self.rounded = rounded
        if rounded:  # log2 of the steps of what the convolutions take, by channel
            self.step_a, self.step_b = (nn.Parameter(torch.full((c,), -5.0)) for c in (channels, middle))

    def forward(self, x):
        if not self.rounded:
            return x + self.b(F.leaky_relu(self.a(x), self.SLOPE))
        if fused.usable(x):
            inner = rounded_convolution(self.a, x, self.step_a, slope=self.SLOPE)
            return rounded_convolution(self.b, inner, self.step_b, residual=x)
        inner = F.leaky_relu(rounded_convolution(self.a, x, self.step_a), self.SLOPE)
        return x + rounded_convolution(self.b, inner, self.step_b)


class PixelConv(nn.Conv2d):
    """The first convolution, in 8-bit integers as well: the samples, 0..255, less 128; given as 0..1 less a half."""

    LEVELS = 255

    def __init__(self, cin, cout, kernel=3):
        super().__init__(cin, cout, kernel, 1, kernel // 2)

    def forward(self, x):
        samples = (self.LEVELS * (x.float() + 0.5) - 128).round()
        step = torch.full((self.in_channels,), 1 / self.LEVELS, device=x.device)
        return multiply_integers(self, samples, step)


class RoundActivations(torch.autograd.Function):
    """clamp(round(x / step), -127, 127), ties to even; x [N,C,H,W], inverse = 1 / step [C].

    Straight through for x, except where it is cut off; the step learns from both, what is cut off and what is rounded
    (learned step size: Esser et al. 2020, arXiv:1902.08153)."""

    @staticmethod
    def forward(ctx, x, inverse):
        scaled = x * inverse[None, :, None, None]
        ctx.save_for_backward(scaled, inverse)
        return scaled.round().clamp_(-ACTIVATION_MAX, ACTIVATION_MAX)

    @staticmethod
    def backward(ctx, grad):
        scaled, inverse = ctx.saved_tensors
        grad = grad * (scaled.abs() <= ACTIVATION_MAX + 0.5).to(grad.dtype)
        of_inverse = (grad * scaled).sum((0, 2, 3), dtype=torch.float32).to(inverse.dtype) / inverse
        return grad * inverse[None, :, None, None], of_inverse


def rounded_convolution(c, x, step, slope=1.0, residual=None):
    """What the codec computes with 8-bit integers: activations by a step per input channel (step [C]: log2), weights by
    a scale per output channel, the least that holds them. slope, residual: for fused.py alone, what follows."""
    step = torch.exp2(step)
    if fused.usable(x):
        return multiply_integers(c, fused.RoundActivations.apply(x, 1 / step), step, slope, residual)
    return multiply_integers(c, RoundActivations.apply(x, (1 / step).to(x.dtype)), step)


def multiply_integers(c, t, step, slope=1.0, residual=None):
    """c's output for the integers t = x / step. slope, residual: as in rounded_convolution()"""
    if fused.usable(t):
        w, scale = fused.IntegerWeights.apply(c.weight, step)
        sums = F.conv2d(t.to(torch.bfloat16), w, None, c.stride, c.padding)
        return fused.Affine.apply(sums, scale, c.bias, residual, slope)
    w = c.weight * step[None, :, None, None]
    scale = w.detach().abs().amax((1, 2, 3)) / WEIGHT_MAX
    w = round_through(w / scale[:, None, None, None])
    out = F.conv2d(t, w, None, c.stride, c.padding)
    return out * scale[:, None, None].to(out.dtype) + c.bias[:, None, None].to(out.dtype)


def rounded_blocks(net):
    return [m for m in net.modules() if isinstance(m, Residual) and m.rounded]


@torch.no_grad()
def start_rounding(net, before, batches):
    """Goes on from weights trained with `before` in place of net's own size `rounded`: the steps that are new become
    those of the largest values that convolutions take in `batches`, pairs of x and q, without rounding; and what the
    first layer takes has moved by half a level."""
    rounded = net.sizes['rounded']
    if before < 2 <= rounded:
        first = net.g_a[1]
        first.bias.add_(first.weight.sum((1, 2, 3)) * 0.5 / PixelConv.LEVELS)
    if before > 0 or rounded == 0:
        return
    blocks, hooks = rounded_blocks(net), []
    for m in blocks:
        m.rounded = False
        for c, step in ((m.a, m.step_a), (m.b, m.step_b)):
            step.fill_(-20)

            def observe(_, taken, step=step):
                largest = taken[0].abs().float().amax((0, 2, 3)).clamp_min(1e-3)
                step.copy_(torch.maximum(step, (largest / ACTIVATION_MAX).log2()))

            hooks.append(c.register_forward_pre_hook(observe))
    for x, q in batches:
        net(x, q)
    for hook in hooks:
        hook.remove()
    for m in blocks:
        m.rounded = True


def load_weights(net, state, rounded=True):
    """state: what a run saved; it may lack the context of z, which then changes nothing, and, where not `rounded`, the
    steps of rounded blocks. -> whether it has the context of z"""
    missing, unknown = net.load_state_dict({k: v.float() for k, v in state.items()}, strict=False)
    missing = [k for k in missing if rounded or '.step_' not in k]
    without = [k for k in missing if not k.startswith('context_z.')]
    if unknown or without:
        raise ValueError('weights of another network: %s' % ', '.join(unknown + without))
    return not missing


def at_quality(table, q):
    """table [QUALITY_ANCHORS, C], q [N] in 0..1 -> [N, C, 1, 1], linear between anchors."""
    t = q * (QUALITY_ANCHORS - 1)
    i = t.floor().clamp(0, QUALITY_ANCHORS - 2).long()
    f = (t - i)[:, None]
    return (table[i] * (1 - f) + table[i + 1] * f)[:, :, None, None]


class Gain(nn.Module):
    """One positive factor per channel and quality: 2^p, p linear between the quality anchors."""

    def __init__(self, channels):
        super().__init__()
        self.p = nn.Parameter(torch.zeros(QUALITY_ANCHORS, channels))

    def forward(self, x, q):
        return x * torch.exp2(at_quality(self.p, q)).to(x.dtype)


class Transform(nn.ModuleList):
    """A chain of layers; the gains also see the quality."""

    def forward(self, x, q):
        for layer in self:
            x = layer(x, q) if isinstance(layer, Gain) else layer(x)
        return x


class Context(nn.ModuleList):
    """A chain of integer layers; the last is the head, 2M outputs: means, then scale indices."""

    def sums(self, x, select):
        """select: hidden features -> those of each of the four channel groups, [4,N,h/2,w/2,P]
        -> the head's sums [4,N,h/2,w/2,M/2], and their scale and bias [4,M/2]: means, then scale indices, of each group"""
        for layer in self[:-1]:
            x = layer(x)
        w, scale, bias = self[-1].quantised()
        groups = lambda t: t.view(2, 4, -1, *t.shape[1:]).transpose(0, 1)  # [4, 2, M/4, ...]
        x = select(x).float()
        w = groups(w[:, :, 0, 0]).flatten(1, 2)
        with torch.autocast(x.device.type, enabled=False):
            t = torch.bmm(x.flatten(1, 3), w.transpose(1, 2))
        return t.view(*x.shape[:-1], -1), groups(scale).flatten(1), groups(bias).flatten(1)

    def forward(self, x, select):
        """-> means, scale indices: [4,N,h/2,w/2,M/4]"""
        t, scale, bias = self.sums(x, select)
        return (t * scale[:, None, None, None] + bias[:, None, None, None]).chunk(2, -1)


class Lichen(nn.Module):
    """c4, c8, c16: channels at 1/4, 1/8, 1/16 resolution; middle8, middle16: inside the blocks there; M, Z: channels
    of y, z; P, middle_context, Pz: width of the context networks of y and of z; n4, n8, n16: blocks there in each
    transform, thin8: channels inside one more at 1/8, or 0; kernel_ha: of the first layer of h_a; rounded: 1 for
    blocks that compute with 8-bit integers, all but g_s' at 1/4: there, next to the pixels, rounding costs 0.14 dB at
    high qualities; 2 for g_a's first convolution, which takes pixels, besides.

    c16 = 0: the channels at 1/16 are those of y. A 1x1 convolution between them, which any other c16 adds, is no more
    than a change of basis when there are as many, and with fewer it adds no information."""

    def __init__(self, c4=48, c8=128, middle8=128, c16=0, middle16=48, M=512, Z=64, P=128, middle_context=96,
                 Pz=64, n4=1, n8=2, n16=1, thin8=64, kernel_ha=1, rounded=0):
        super().__init__()
        self.sizes = dict(c4=c4, c8=c8, middle8=middle8, c16=c16, middle16=middle16, M=M, Z=Z, P=P,
                          middle_context=middle_context, Pz=Pz, n4=n4, n8=n8, n16=n16, thin8=thin8, kernel_ha=kernel_ha,
                          rounded=rounded)
        self.M = M
        self.trellis, self.thresholds_of_z, self.finer_z = None, None, 0  # see exact.choose_residuals()
        change_of_basis = lambda cin, cout: [conv(cin, cout, 1)] if c16 else []
        width16 = c16 or M
        blocks = lambda n, c, middle, rounded=rounded: [Residual(c, middle, bool(rounded)) for _ in range(n)]
        blocks8 = lambda: blocks(n8, c8, middle8) + blocks(min(thin8, 1), c8, thin8)
        first = PixelConv if rounded > 1 else conv
        self.g_a = Transform([SpaceToDepth(4), first(48, c4), *blocks(n4, c4, c4),
                              conv(c4, c8, 3, 2), *blocks8(), Gain(c8),
                              conv(c8, width16, 3, 2), *blocks(n16, width16, middle16), *change_of_basis(c16, M)])
        self.g_s = Transform([*change_of_basis(M, c16), *blocks(n16, width16, middle16),
                              conv(width16, 4 * c8, 1), DepthToSpace(2), Gain(c8), *blocks8(),
                              conv(c8, 4 * c4, 1), DepthToSpace(2), *blocks(n4, c4, c4, 0), conv(c4, 48), DepthToSpace(4)])
        self.gain_y, self.inverse_gain_y = Gain(M), Gain(M)
        self.h_a = nn.Sequential(conv(M, P, kernel_ha), nn.ReLU(), conv(P, P, 3, 2), nn.ReLU(), conv(P, Z, 3, 2))
        self.h_s = nn.Sequential(IntegerUpsample(2 * Z, P), IntegerUpsample(P, P))
        # exponents: log2 of context units per quantisation step
        self.unit_y = nn.Parameter(torch.zeros(M))  # log2 of context units per unit of g_a's output
        self.exponent_z = nn.Parameter(torch.zeros(QUALITY_ANCHORS, Z))
        self.scale_z = nn.Parameter(torch.zeros(QUALITY_ANCHORS, Z))  # log2 of the standard deviation of z
        gain = torch.cat([torch.ones(M), torch.full((M,), 8.0)])
        head = lambda: IntegerConv(P, 2 * M, 1, relu=False, gain=gain.clone())
        later = lambda: Context([IntegerConv(P + 2 * M, P, 1), IntegerConv(P, middle_context),
                                 IntegerConv(middle_context, P), head()])
        self.context = nn.ModuleList([Context([IntegerConv(P, P), head()]), later(), later(), later()])
        # Of z; its first step sees nothing, and its tables are those of scale_z, from which later steps depart.
        self.context_z = nn.ModuleList([nn.Sequential(
            IntegerConv(2 * Z, Pz, 1), IntegerConv(Pz, Pz), IntegerConv(Pz, Pz, 1),
            IntegerConv(Pz, 2 * Z, 1, relu=False, gain=torch.cat([torch.ones(Z), torch.full((Z,), 8.0)])))
            for _ in range(3)])
        for chain in self.context_z:
            nn.init.zeros_(chain[-1].conv.weight)

    def phases(self, t):
        """[N,C,h,w], h and w even -> [4,N,h/2,w/2,C]: the phases of every 2x2 block, raster numbered."""
        n, c, h, w = t.shape
        return t.permute(0, 2, 3, 1).reshape(n, h // 2, 2, w // 2, 2, c).permute(2, 4, 0, 1, 3, 5).reshape(
            4, n, h // 2, w // 2, c)

    def step_order(self, step):
        """The phase that each channel group is coded at in a step."""
        return [PHASE_ORDER[(g + step) % 4] for g in range(4)]

    def coded_at(self, t, step):
        """t from phases(), C = M -> [4,N,h/2,w/2,M/4]: of each channel group what a step codes."""
        m = self.M // 4
        return torch.stack([t[phase, ..., g * m:(g + 1) * m] for g, phase in enumerate(self.step_order(step))])

    def assemble(self, steps):
        """The inverse of coded_at over the steps so far; zeros where nothing was coded: [N,M,h,w]."""
        zero = torch.zeros_like(steps[0][0])
        blocks = [[zero] * 4 for _ in range(4)]
        for k, t in enumerate(steps):
            for g, phase in enumerate(self.step_order(k)):
                blocks[phase][g] = t[g]
        n, h, w, m = zero.shape
        t = torch.stack([torch.cat(b, 3) for b in blocks]).view(2, 2, n, h, w, 4 * m)
        return t.permute(2, 3, 0, 4, 1, 5).reshape(n, 2 * h, 2 * w, 4 * m).permute(0, 3, 1, 2)

    @staticmethod
    def likelihood(v, scale, width=1):
        """Probability of the bin of `width` around v under N(0, scale^2)."""
        v = v.abs()
        upper = 0.5 * torch.erfc(-(2 ** -0.5) * (0.5 * width - v) / scale)
        lower = 0.5 * torch.erfc(-(2 ** -0.5) * (-0.5 * width - v) / scale)
        return LowerBound.apply(upper - lower, 1e-9)

    def context_exponent(self, q):
        """log2 of context units per quantisation step of y: [N, M, 1, 1]."""
        return at_quality(self.inverse_gain_y.p, q) + self.unit_y[None, :, None, None]

    def latents(self, x, q):
        """x [N,3,H,W] -> y in quantisation steps, z before rounding; H, W multiples of 16."""
        y = self.g_a(x - 0.5, q).float()
        u = y * (torch.exp2(self.unit_y) / UNITS_PER_STD)[None, :, None, None]
        h, w = u.shape[2:]
        u = F.pad(u, (0, -w % 4, 0, -h % 4), mode='replicate')
        z = 16 * self.h_a(u).float() * torch.exp2(-at_quality(self.exponent_z, q))
        return self.gain_y(y, q), z

    @staticmethod
    def towards_zero(thresholds, residual, exact, index):
        """The codec's choice of z: one step nearer to 0 where the bits that saves are worth more than
        the error it adds."""
        magnitude = residual.abs()
        largest = thresholds.shape[1]
        at = index.long() * largest + (magnitude.long() - 1).clamp(0, largest - 1)
        beyond = exact * residual.sign() - magnitude
        smaller = (magnitude > 0) & (magnitude <= largest) & (beyond < thresholds.view(-1)[at])
        return residual - torch.where(smaller, residual.sign(), torch.zeros_like(residual))

    def forward(self, x, q, train=True, hard=False, frozen=False, observe=None):
        """x [N,3,H,W] in 0..1, H and W multiples of 32, q [N] in 0..1 -> x_hat, bits per pixel [N].

        train: noise in the rate, straight-through rounding into synthesis and context; else the real rounding.
        hard:  scale indices rounded as in the codec, table 0 not coded (last training phase, and whenever not train).
        frozen: g_a and h_a get no gradients; the rate is that of the rounded latents, and the means learn from the
               distortion too, since what is not coded becomes the mean.
        observe: called for z and for every step of y with scale indices, residuals, of y symbols, and of y quantisers.
        """
        hard = hard or frozen or not train
        with torch.set_grad_enabled(torch.is_grad_enabled() and not frozen):
            y, z = self.latents(x, q)
        z_hat, bits = self.code_z(z, q, train and not frozen, hard, observe)
        features = self.h_s(signed_to_unsigned(round_through(z_hat * torch.exp2(at_quality(self.exponent_z, q)))))
        features = features[:, :, :y.shape[2], :y.shape[3]]

        exponent = self.context_exponent(q)
        if train and not frozen and not observe and fused.usable(y):
            y_hat, y_bits = self.fused_context(features, y, exponent, hard)
            return self.reconstruct(y_hat, q), (bits + y_bits) / (x.shape[2] * x.shape[3])
        # Of each step only what it codes is computed: a quarter of y, [4,N,h/2,w/2,M/4].
        exponents = exponent[:, :, 0, 0].view(-1, 4, 1, 1, self.M // 4).transpose(0, 1)
        up, down = torch.exp2(exponents), torch.exp2(-exponents)
        y_phases, y_hat, units = self.phases(y), [], []
        width = 1 if self.trellis is None else 2 * LEVEL  # from one symbol's value to the next's
        for k in range(4):
            inputs = features
            if k:
                t = signed_to_unsigned(self.assemble(units))
                inputs = torch.cat([features, t.to(features.dtype)], 1)
            mean, index = self.context[k](inputs, lambda t: self.phases(t)[self.step_order(k)])
            y_k = self.coded_at(y_phases, k)
            mean = round_through(16 * mean * down) / 16
            index = index / 16 - exponents / SCALE_OCTAVES
            index = LowerBound.apply(round_through(index) if hard else index, 0.0).clamp_max(SCALES - 1)
            residual = torch.floor(y_k - mean + 0.5)
            quantiser = None
            if self.trellis is not None:
                coarse = 2 * LEVEL * torch.floor((y_k - mean).detach() / (2 * LEVEL) + 0.5)  # where nothing is coded
                tables = index.detach().round()
                level, symbol, quantiser = self.trellis((y_k - mean).detach(), tables)
                residual = torch.where(tables > 0, level, coarse)
            if hard:
                kept = (index > 0).float()
                residual = residual * kept
            scale = SCALE_0 * torch.exp2(index * SCALE_OCTAVES)
            noisy = y_k + width * (torch.rand_like(y_k) - 0.5) - mean if train else None
            p = torch.log2(self.likelihood(noisy if train and not frozen else residual, scale, width))
            if frozen:  # the rounded rate does not tell the means where to go, the noisy one does
                slope = torch.log2(self.likelihood(noisy, scale.detach(), width))
                p = p + (slope - slope.detach())
            coded = p * kept if hard else p
            bits = bits - coded.sum((0, 2, 3, 4))
            if observe:
                observe(index, residual if quantiser is None else symbol, quantiser)
            y_hat.append(residual + mean if frozen else y_k + (residual + mean - y_k).detach())
            units.append(round_through(y_hat[-1] * up))
        return self.reconstruct(self.assemble(y_hat), q), bits / (x.shape[2] * x.shape[3])

    def coded_z(self, h, w):
        """-> [4,Z,h,w]: 1 for what a step of z codes"""
        phase = (torch.arange(h)[:, None] % 2 * 2 + torch.arange(w)[None] % 2).to(self.scale_z.device)
        group = torch.arange(self.sizes['Z']) * 4 // self.sizes['Z']
        at = torch.tensor([[PHASE_ORDER[(int(g) + k) % 4] for g in group] for k in range(4)], device=phase.device)
        return (phase == at[:, :, None, None]).to(self.scale_z.dtype)

    def predict_z(self, k, z_hat, q):
        """z_hat [N,Z,h,w] as far as it is coded, 0 elsewhere -> means in quantisation steps, scale indices"""
        index = (at_quality(self.scale_z, q) - math.log2(SCALE_0)) / SCALE_OCTAVES
        if k == 0:
            return torch.zeros_like(z_hat), index.expand_as(z_hat)
        exponent = at_quality(self.exponent_z, q)
        units = signed_to_unsigned(round_through(z_hat * torch.exp2(exponent)))
        mean, change = self.context_z[k - 1](units).float().chunk(2, 1)
        return round_through(16 * mean * torch.exp2(-exponent)) / 16, index + change / 16

    def code_z(self, z, q, noisy, hard, observe=None):
        """z [N,Z,h,w] in quantisation steps -> z_hat, its bits [N]. noisy: the rate is that of z with noise, but where z
        is chosen: noise suits Gaussians, and most of z is nearly always 0, which costs less than noise would."""
        noisy = noisy and self.thresholds_of_z is None
        z_hat, bits, indices, residuals = torch.zeros_like(z), 0, 0, 0
        for k, coded in enumerate(self.coded_z(*z.shape[2:])):
            mean, index = self.predict_z(k, z_hat, q)
            index = LowerBound.apply(round_through(index) if hard else index, 0.0).clamp_max(SCALES - 1)
            exact = z - mean
            residual = torch.floor(exact.detach() + 0.5)
            if self.thresholds_of_z is not None:
                chosen = self.towards_zero(self.thresholds_of_z, residual, exact.detach(), index.detach())
                residual = torch.where(q[:, None, None, None] < self.finer_z, chosen, residual)
            if hard:
                coded_here = coded * (index > 0)
                residual = residual * (index > 0)
            else:
                coded_here = coded
            scale = SCALE_0 * torch.exp2(index * SCALE_OCTAVES)
            noise = z + torch.rand_like(z) - 0.5
            if noisy:
                p = torch.log2(self.likelihood(noise - mean, scale))
            else:  # the rounded rate does not tell the means where to go, the noisy one does
                p = torch.log2(self.likelihood(z + (residual - z).detach(), scale))
                slope = torch.log2(self.likelihood(noise.detach() - mean, scale.detach()))
                p = p + (slope - slope.detach())
            bits = bits - (p * coded_here).flatten(1).sum(1)
            z_hat = z_hat + coded * (z + (residual + mean - z).detach())
            indices, residuals = indices + coded * index, residuals + coded * residual
        if observe:
            observe(indices, residuals, None)
        return z_hat, bits

    def fused_context(self, features, y, exponent, hard):
        """The loop of forward() by fused.py -> y_hat, bits [N]"""
        bits, units = 0, torch.zeros_like(y, dtype=torch.bfloat16).repeat(1, 2, 1, 1)
        for k in range(4):
            inputs = torch.cat([features, units], 1) if k else features
            sums = self.context[k].sums(inputs, lambda t: self.phases(t)[self.step_order(k)])
            of_step, y, units = fused.Step.apply(*sums, exponent[:, :, 0, 0], y, units, k, self.trellis, hard)
            bits = bits + of_step
        return y, bits

    def reconstruct(self, y_hat, q):
        return self.g_s(self.inverse_gain_y(y_hat, q), q).float() + 0.5


def multiply_adds(net):
    """Multiply-adds per pixel, exactly as many as the codec computes: {part: count}. A head computes at each position
    only the group that its step codes, a quarter of its outputs."""

    def count(layers, resolution):
        total = 0.0
        for m in layers:
            if isinstance(m, SpaceToDepth):
                resolution *= m.factor
            elif isinstance(m, DepthToSpace):
                resolution /= m.factor
            else:
                for c in m.modules():
                    if isinstance(c, nn.Conv2d):
                        resolution *= c.stride[0]
                        total += c.weight.numel() / resolution ** 2
                if isinstance(m, IntegerUpsample):
                    resolution /= 2
        return total

    heads = sum(0.75 * c[-1].conv.weight.numel() / 256 for c in net.context)
    of_z = sum(count(c, 64) - 0.75 * c[-1].conv.weight.numel() / 64 ** 2 for c in net.context_z)
    return {'g_a': count(net.g_a, 1), 'h_a': count(net.h_a, 16), 'h_s': count(net.h_s, 64), 'context_z': of_z,
            'context': sum(count(c, 16) for c in net.context) - heads, 'g_s': count(net.g_s, 16)}


@torch.no_grad()
def start_from_klt(net, x):
    """Sets the transforms to a hierarchical Karhunen-Loeve transform of x [N,3,H,W] and its transpose."""

    def pca(vectors, k):
        w, v = torch.linalg.eigh((vectors.T @ vectors / vectors.shape[0]).double())
        return v.flip(1)[:, :k].T.float()

    def centre_tap(c, matrix):
        c.weight.zero_(), c.bias.zero_()
        k = c.kernel_size[0] // 2
        c.weight[:, :, k, k] = matrix

    def jitter(c):
        c.weight.add_(torch.randn_like(c.weight) * 0.02 / math.sqrt(c.weight[0].numel()))

    for m in net.modules():
        if isinstance(m, Residual):
            for c, scale in ((m.a, 1.0), (m.b, 0.04)):
                nn.init.kaiming_normal_(c.weight, nonlinearity='relu'), nn.init.zeros_(c.bias)
                c.weight.mul_(scale)
    rounding = rounded_blocks(net)  # not before there are steps
    for m in rounding:
        m.rounded = False
    plain = lambda transform: [m for m in transform if isinstance(m, nn.Conv2d)]
    first, down8, down16, *into_y = plain(net.g_a)
    *from_y, up8, up4, out = plain(net.g_s)
    t = F.pixel_unshuffle(x - 0.5, 4)
    v = pca(t.permute(0, 2, 3, 1).reshape(-1, 48), first.out_channels)
    centre_tap(first, v), centre_tap(out, v.T)
    t = torch.einsum('kc,nchw->nkhw', v, t)
    for down, up in ((down8, up4), (down16, up8)):
        blocks = F.pixel_unshuffle(t, 2).permute(0, 2, 3, 1)
        v = pca(blocks.reshape(-1, blocks.shape[-1]), down.out_channels)
        down.weight.zero_(), down.bias.zero_()
        down.weight[:, :, 1:3, 1:3] = v.view(v.shape[0], -1, 2, 2)
        centre_tap(up, v.T)
        jitter(down), jitter(up)
        t = (blocks @ v.T).permute(0, 3, 1, 2)
    for c in into_y + from_y:
        centre_tap(c, torch.eye(*c.weight.shape[:2]).to(t))
    for c in (first, out, *into_y, *from_y):
        jitter(c)

    # The best step of a linear transform at each lambda: step^2 = 4e-4 / lambda.
    lo, hi = (0.5 * math.log2(l / 4e-4) for l in LAMBDA_RANGE)
    log_gain = torch.linspace(lo, hi, QUALITY_ANCHORS)[:, None].expand_as(net.gain_y.p)
    net.gain_y.p.copy_(log_gain), net.inverse_gain_y.p.copy_(-log_gain)
    start_entropy_model(net, x)
    for m in rounding:
        m.rounded = True


@torch.no_grad()
def start_entropy_model(net, x):
    """Sets the units and biases of the entropy networks to the statistics of x's latents; x [N,3,H,W]."""
    q = torch.full((x.shape[0],), 0.5, device=x.device)
    y = net.g_a(x - 0.5, q).float()
    net.unit_y.copy_(math.log2(UNITS_PER_STD) - y.std((0, 2, 3)).clamp_min(1e-3).log2())
    z = net.h_a(y * (torch.exp2(net.unit_y) / UNITS_PER_STD)[None, :, None, None])
    last = net.h_a[-1]
    last.weight.div_(z.std((0, 2, 3)).clamp_min(1e-3)[:, None, None, None])
    last.bias.copy_(-(z.mean((0, 2, 3)) - last.bias) / z.std((0, 2, 3)).clamp_min(1e-3))
    # z has a standard deviation of 16 units: one step at quality 0, four at quality 1
    net.exponent_z.copy_(torch.linspace(4, 2, QUALITY_ANCHORS)[:, None].expand_as(net.exponent_z))
    net.scale_z.copy_(4 - net.exponent_z)
    for context in net.context:
        head = context[-1]
        head.conv.weight.mul_(0.1)
        head.conv.bias.zero_()
        index = 16 * (math.log2(UNITS_PER_STD) - math.log2(SCALE_0)) / SCALE_OCTAVES
        head.conv.bias[net.M:] = index / (head.BIAS_UNIT * head.gain[net.M:])
