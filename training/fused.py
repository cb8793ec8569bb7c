"""Element-by-element work of a training step on a CPU by fused.cc, which a compiler makes at the first use.

PyTorch takes a pass through memory for each operation, and more than half of a step's time for them. Each function here
does what its plain form in model.py, integer.py and post_filter.py does, in bfloat16 or float as these come, and has
the same gradient: fused_test.py. Other devices, evaluation and the frozen phase keep the plain forms.
"""
import ctypes
import hashlib
import os
import subprocess
import tempfile

import torch

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SOURCES = [os.path.join(ROOT, *f) for f in (('training', 'fused.cc'), ('codec', 'trellis.cc'), ('codec', 'trellis.h'),
                                            ('codec', 'trellis_step.h'), ('codec', 'scratch.h'),
                                            ('codec', 'work_sharing.h'), ('codec', 'vectorised.h'))]
COMPILE = ('g++', '-std=c++17', '-O3', '-march=native', '-mprefer-vector-width=512', '-ffast-math', '-fopenmp', '-fPIC',
           '-Wno-psabi', '-I' + ROOT)  # linked without -ffast-math, which would change how all of the process rounds

enabled = False
library = None


def processor():
    """What -march=native depends on."""
    with open('/proc/cpuinfo') as f:
        return ''.join(sorted({line for line in f if line.startswith(('flags', 'model', 'Features'))}))


def enable():
    """From now on training steps on a CPU use fused.cc. -> whether that could be compiled"""
    global enabled, library
    sources = b''
    for path in SOURCES:
        with open(path, 'rb') as f:
            sources += f.read()
    key = hashlib.sha256(sources + ' '.join(COMPILE).encode() + processor().encode()).hexdigest()[:16]
    folder = os.path.join(os.environ.get('XDG_CACHE_HOME') or os.path.expanduser('~/.cache'), 'lichen-training')
    path = os.path.join(folder, key + '.so')
    if not os.path.exists(path):
        os.makedirs(folder, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder) as own:  # processes that start together each compile
            try:
                subprocess.run([*COMPILE, '-c', SOURCES[0], '-o', own + '/fused.o'], check=True)
                subprocess.run(['g++', '-shared', '-fopenmp', own + '/fused.o', '-o', own + '/fused.so'], check=True)
            except (OSError, subprocess.CalledProcessError):
                return False
            os.replace(own + '/fused.so', path)
    library = ctypes.CDLL(path)
    library.lichen_adam.restype = library.lichen_distortion.restype = ctypes.c_double
    enabled = True
    return True


def usable(*tensors):
    """Whether fused.cc is to compute with these in a training step."""
    return enabled and torch.is_grad_enabled() and all(t.device.type == 'cpu' for t in tensors)


def pointer(t):
    return ctypes.c_void_p(None if t is None else t.data_ptr())


def channels_last(t):
    return t.contiguous(memory_format=torch.channels_last)


def rows_channels(t):
    """Of [N,C,H,W]"""
    return ctypes.c_int64(t.numel() // t.shape[1]), ctypes.c_int64(t.shape[1])


def halves(t):
    return ctypes.c_int(t.dtype == torch.bfloat16)


class RoundActivations(torch.autograd.Function):
    """RoundActivations of model.py; x bfloat16 or float32, inverse float32 -> bfloat16"""

    @staticmethod
    def forward(ctx, x, inverse):
        x = channels_last(x)
        out = torch.empty_like(x, dtype=torch.bfloat16)
        library.lichen_round_forward(pointer(x), halves(x), pointer(inverse), pointer(out), *rows_channels(x))
        ctx.save_for_backward(x, inverse)
        return out

    @staticmethod
    def backward(ctx, gradient):
        x, inverse = ctx.saved_tensors
        gradient = channels_last(gradient)
        to_x, to_inverse = torch.empty_like(x), torch.empty_like(inverse)
        library.lichen_round_backward(pointer(gradient), pointer(x), halves(x), pointer(inverse), pointer(to_x),
                                      pointer(to_inverse), *rows_channels(x))
        return to_x, to_inverse


class IntegerWeights(torch.autograd.Function):
    """weight [O,I,kh,kw], step [I] or None -> integers as bfloat16, their scale [O], the least that holds weight * step"""

    @staticmethod
    def forward(ctx, weight, step):
        weight = channels_last(weight)
        ctx.sizes = [ctypes.c_int64(v) for v in (weight.shape[0], weight.shape[2] * weight.shape[3], weight.shape[1])]
        out, scale = torch.empty_like(weight, dtype=torch.bfloat16), weight.new_empty(weight.shape[0])
        library.lichen_weights_forward(pointer(weight), pointer(step), pointer(out), pointer(scale), *ctx.sizes)
        ctx.save_for_backward(weight, step, scale)
        ctx.mark_non_differentiable(scale)
        return out, scale

    @staticmethod
    def backward(ctx, gradient, _):
        weight, step, scale = ctx.saved_tensors
        gradient = channels_last(gradient)
        to_weight, to_step = torch.empty_like(weight), weight.new_empty(weight.shape[1])
        library.lichen_weights_backward(pointer(gradient), pointer(weight), pointer(step), pointer(scale),
                                        pointer(to_weight), pointer(to_step), *ctx.sizes)
        return to_weight, None if step is None else to_step


class Affine(torch.autograd.Function):
    """sums * scale + bias, then a leaky unit of that slope (1: none), or the sum with a residual; sums bfloat16. The
    result has the type of the residual, bfloat16 without one."""

    @staticmethod
    def forward(ctx, sums, scale, bias, residual, slope):
        sums = channels_last(sums)
        residual = None if residual is None else channels_last(residual)
        out = torch.empty_like(sums if residual is None else residual)
        library.lichen_affine_forward(pointer(sums), pointer(scale), pointer(bias), pointer(residual),
                                      ctypes.c_float(slope), pointer(out), halves(out), *rows_channels(sums))
        ctx.slope, ctx.has_residual = slope, residual is not None
        ctx.save_for_backward(out, scale)
        return out

    @staticmethod
    def backward(ctx, gradient):
        out, scale = ctx.saved_tensors
        gradient = channels_last(gradient)
        to_sums, to_bias = torch.empty_like(out, dtype=torch.bfloat16), torch.empty_like(scale)
        library.lichen_affine_backward(pointer(gradient), pointer(out), pointer(scale), ctypes.c_float(ctx.slope),
                                       halves(out), pointer(to_sums), pointer(to_bias), *rows_channels(out))
        return to_sums, None, to_bias, gradient if ctx.has_residual else None, None


class Requantise(torch.autograd.Function):
    """IntegerConv of integer.py, behind the convolution; sums bfloat16 -> integers 0..127 as bfloat16"""

    @staticmethod
    def forward(ctx, sums, scale, bias):
        sums = channels_last(sums)
        out = torch.empty_like(sums)
        library.lichen_requantise_forward(pointer(sums), pointer(scale), pointer(bias), pointer(out),
                                          *rows_channels(sums))
        ctx.save_for_backward(sums, scale, bias)
        return out

    @staticmethod
    def backward(ctx, gradient):
        sums, scale, bias = ctx.saved_tensors
        gradient = channels_last(gradient)
        to_sums, to_bias = torch.empty_like(sums), torch.empty_like(bias)
        library.lichen_requantise_backward(pointer(gradient), pointer(sums), pointer(scale), pointer(bias),
                                           pointer(to_sums), pointer(to_bias), *rows_channels(sums))
        return to_sums, None, to_bias


class Step(torch.autograd.Function):
    """A step of the context, as the loop of Lichen.forward has it.

    sums [4,rows,2M/4] of the head, its scale and bias [4,2M/4], exponent [N,M], y [N,M,H,W]: what is coded becomes
    y_hat; units bfloat16 [N,2M,H,W] -> bits [N], y, units"""

    @staticmethod
    def forward(ctx, sums, scale, bias, exponent, y, units, step, trellis, hard):
        y, units = y.clone(memory_format=torch.channels_last), units.clone(memory_format=torch.channels_last)
        n, m, h, w = y.shape
        assert m % 4 == 0 and m <= 2048 and h % 2 == 0 and w % 2 == 0
        sums, scale, bias, exponent = (t.contiguous() for t in (sums, scale, bias, exponent))
        ctx.sizes = [ctypes.c_int(step)] + [ctypes.c_int64(v) for v in (n, h, w, m)]
        bits, derivatives = y.new_empty(n), y.new_empty(2, 4, y.numel() // (4 * m), m // 4)
        seed = int(torch.randint(1 << 31, ()))
        library.lichen_step_forward(
            pointer(sums), pointer(scale), pointer(bias), pointer(exponent),
            pointer(trellis and trellis.cost), ctypes.c_double(trellis.weight if trellis else 0),
            ctypes.c_int(trellis.bits if trellis else 0), ctypes.c_int(hard), ctypes.c_uint32(seed),
            *ctx.sizes, pointer(y), pointer(units), pointer(bits), pointer(derivatives[0]), pointer(derivatives[1]))
        ctx.save_for_backward(sums, scale, bias, exponent, y, derivatives)
        ctx.set_materialize_grads(False)  # nothing takes the units of the last step
        return bits, y, units

    @staticmethod
    def backward(ctx, to_bits, to_y, to_units):
        sums, scale, bias, exponent, y, derivatives = ctx.saved_tensors
        to_y = to_y.clone(memory_format=torch.channels_last)
        to_units = None if to_units is None else channels_last(to_units)
        to_sums, to_bias, to_exponent = torch.empty_like(sums), torch.empty_like(bias), torch.empty_like(exponent)
        library.lichen_step_backward(
            pointer(to_bits.contiguous()), pointer(to_units), pointer(sums), pointer(scale), pointer(bias),
            pointer(exponent), pointer(y), pointer(derivatives[0]), pointer(derivatives[1]), *ctx.sizes, pointer(to_y),
            pointer(to_sums), pointer(to_bias), pointer(to_exponent))
        return to_sums, None, to_bias, to_exponent, to_y, to_units, None, None, None


def observe_filter(x, x_hat):
    """x, x_hat float32 [3,H,W] -> sums over pixels: of products of features [50,50], of features and errors [50,3], of
    squared errors"""
    x, x_hat = x.contiguous(), x_hat.contiguous()
    gram, cross, error = (torch.empty(s, dtype=torch.float64) for s in ((50, 50), (50, 3), (1,)))
    h, w = (ctypes.c_int64(v) for v in x.shape[1:])
    library.lichen_filter_observe(pointer(x), pointer(x_hat), h, w, pointer(gram), pointer(cross), pointer(error))
    return gram.numpy(), cross.numpy(), float(error)


def apply_filter(x_hat, weights):
    """x_hat float32 [3,H,W], weights [50,3] -> what the post-filter adds"""
    x_hat, weights = x_hat.contiguous(), weights.float().contiguous()
    out = torch.empty_like(x_hat)
    h, w = (ctypes.c_int64(v) for v in x_hat.shape[1:])
    library.lichen_filter_apply(pointer(x_hat), pointer(weights), h, w, pointer(out))
    return out


class Distortion(torch.autograd.Function):
    """x, x_hat, added [N,3,H,W] -> [N]: mean of share * (x_hat - x)^2 + (1 - share) * (x_hat + added - x)^2"""

    @staticmethod
    def forward(ctx, x, x_hat, added, share):
        x, x_hat, added = (t.contiguous() for t in (x, x_hat, added))
        gradient = torch.empty_like(x_hat)
        sums = [library.lichen_distortion(pointer(a), pointer(b), pointer(c), ctypes.c_float(share),
                                          ctypes.c_int64(a.numel()), pointer(g))
                for a, b, c, g in zip(x, x_hat, added, gradient)]
        ctx.save_for_backward(gradient)
        return x.new_tensor(sums)

    @staticmethod
    def backward(ctx, to_means):
        gradient, = ctx.saved_tensors
        return None, gradient * (2 * to_means[:, None, None, None]), None, None


class Adam(torch.optim.Adam):
    """With gradients clipped to a norm, in one pass; the state is that of torch.optim.Adam."""

    @torch.no_grad()
    def clipped_step(self, most):
        """-> the norm; where it is not finite, nothing happens"""
        group, = self.param_groups
        parameters = [p for p in group['params'] if p.grad is not None]
        gradients = [p.grad if p.grad.stride() == p.stride() else torch.empty_like(p).copy_(p.grad) for p in parameters]
        for p in parameters:
            if not self.state[p]:
                self.state[p].update(step=torch.zeros(()), exp_avg=torch.zeros_like(p), exp_avg_sq=torch.zeros_like(p))
        states = [self.state[p] for p in parameters]
        for t, s in zip(parameters, states):
            for key in ('exp_avg', 'exp_avg_sq'):
                if s[key].stride() != t.stride():
                    s[key] = torch.empty_like(t).copy_(s[key])
        n = len(parameters)
        array = lambda tensors: (ctypes.c_void_p * n)(*(t.data_ptr() for t in tensors))
        count = float(states[0]['step']) + 1
        beta1, beta2 = group['betas']
        number = ctypes.c_double
        norm = library.lichen_adam(
            ctypes.c_int64(n), array(parameters), array(gradients), array(s['exp_avg'] for s in states),
            array(s['exp_avg_sq'] for s in states), (ctypes.c_int64 * n)(*(p.numel() for p in parameters)), number(most),
            number(group['lr']), number(beta1), number(beta2), number(group['eps']), number(1 - beta1 ** count),
            number(1 - beta2 ** count))
        if norm - norm == 0:
            for s in states:
                s['step'] += 1
        return norm
