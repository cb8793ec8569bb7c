"""Fits the post-filter: python3 post_filter.py NAME.weights.pt OUT.pt --data DIR [--valid DIR]

The decoder adds to x_hat a sum of features of each pixel and its neighbours: bitstream/FORMAT.md, "Post-filter". The
weights of the sum are a mean, which depends on the quality and corrects what g_s always gets wrong, and some components,
of which an encoder sends the coefficients that suit the picture. Least squares for a picture, as in the adaptive loop
filters of video codecs (Tsai et al. 2013), would take a number for each weight; components, which are chosen so that few
of them do most of what least squares would, take a few bits each.

Prints what it gains on other pictures.
"""
import argparse

import numpy as np
import torch
import torch.nn.functional as F

import fused
from data import Crops, list_pictures, read_names, read_picture
from evaluate import load_average
from model import QUALITY_ANCHORS

FEATURES, COMPONENTS = 50, 144
CLIP = 0.01
YUV = ((0.299, 0.587, 0.114), (-0.168736, -0.331264, 0.5), (0.5, -0.418688, -0.081312))
DIRECTIONS = ((0, 1), (1, 0), (1, 1), (1, -1))  # dy, dx
HALF_MAX = 65504.0
MEAN_RIDGE, COMPONENT_RIDGE = 1e-4, 1e-3  # in parts of the mean of the diagonal


@torch.no_grad()
def features(x_hat):
    """x_hat float32 [N,3,H,W] in 0..1 -> [N,FEATURES,H,W]"""
    planes = torch.einsum('co,nohw->cnhw', x_hat.new_tensor(YUV), x_hat - 0.5)
    n, h, w = planes.shape[1:]
    out = x_hat.new_empty(FEATURES, n, h, w)
    y, u, v = planes
    yy, uu, vv = y * y, u * u, v * v
    for i, t in enumerate((1, y, u, v, yy, y * u, y * v, uu, u * v, vv, yy * y, yy * u, yy * v, y * uu, y * u * v, y * vv,
                           uu * u, uu * v, u * vv, vv * v)):
        out[i] = t
    padded = F.pad(planes, (1, 1, 1, 1), mode='replicate')
    second, clipped, activity = out[20:32], out[32:44], 0
    for c in range(3):
        for d, (dy, dx) in enumerate(DIRECTIONS):
            a, b = (padded[c, :, 1 + s * dy:1 + s * dy + h, 1 + s * dx:1 + s * dx + w] - planes[c] for s in (1, -1))
            torch.add(a, b, out=second[4 * c + d])
            torch.add(a.clamp(-CLIP, CLIP), b.clamp(-CLIP, CLIP), out=clipped[4 * c + d])
            if c == 0:
                activity = activity + a.abs_() + b.abs_()
    laplacian = second[:4].sum(0)
    for i, t in enumerate((y * laplacian, activity, activity * u, activity * v, u * laplacian, v * laplacian)):
        out[44 + i] = t
    return out.transpose(0, 1)


class Picture:
    """What least squares need of a picture at a quality, means over its pixels.

    gram: [FEATURES,FEATURES]; cross: of features and errors, [FEATURES,3]; error: squared, summed over R, G, B"""

    def __init__(self, quality, gram, cross, error):
        self.quality, self.gram, self.cross, self.error = quality, gram, cross, error

    @staticmethod
    def observe(x, x_hat, qualities):
        """x, x_hat [N,3,H,W], qualities [N] -> those of the N pictures, and their features [N,FEATURES,H*W]"""
        error = (x - x_hat).flatten(2)
        f = features(x_hat).flatten(2)
        n = f.shape[2]
        gram, cross = f @ f.transpose(1, 2) / n, f @ error.transpose(1, 2) / n
        of = zip(qualities.tolist(), gram.cpu().numpy().astype(float), cross.cpu().numpy().astype(float),
                 (error ** 2).sum((1, 2)).div(n).tolist())
        return [Picture(*p) for p in of], f

    @staticmethod
    def of_sums(x, x_hat, quality):
        """The same of x, x_hat [3,H,W], by fused.py."""
        gram, cross, error = fused.observe_filter(x, x_hat)
        n = x[0].numel()
        return Picture(quality, gram / n, cross / n, error / n)

    @staticmethod
    @torch.no_grad()
    def of(net, x, quality):
        """x [3,H,W] in 0..1"""
        quality = torch.tensor([quality])
        return Picture.observe(x[None], net(x[None], quality, train=False)[0].clamp(0, 1), quality)[0][0]

    def without(self, weights):
        """What is left to correct after `weights` [FEATURES,3]."""
        done = 2 * (weights * self.cross).sum() - (weights * (self.gram @ weights)).sum()
        return Picture(self.quality, self.gram, self.cross - self.gram @ weights, self.error - done)


def hats(quality):
    """The share of each anchor."""
    at = quality * (QUALITY_ANCHORS - 1)
    return np.maximum(0, 1 - np.abs(at - np.arange(QUALITY_ANCHORS)))


def scales(squares):
    """What makes features alike, which differ in size by orders of magnitude; squares: their means. Those that are always
    0, as at an anchor whose qualities no picture has, stay so."""
    return 1 / np.sqrt(np.maximum(squares, 1e-12 * squares.max()))


def fit_mean(pictures):
    """-> [QUALITY_ANCHORS,FEATURES,3], least relative squared error"""
    n = QUALITY_ANCHORS * FEATURES
    a, b = np.zeros((n, n)), np.zeros((n, 3))
    for p in pictures:
        share = hats(p.quality)
        a += np.kron(np.outer(share, share), p.gram / p.error)
        b += np.kron(share[:, None], p.cross / p.error)
    scale = scales(np.diag(a))
    a = a * scale[:, None] * scale + MEAN_RIDGE * np.eye(n)
    return (scale[:, None] * np.linalg.solve(a, scale[:, None] * b)).reshape(QUALITY_ANCHORS, FEATURES, 3)


def normal_equations(picture, components):
    """-> matrix, right side for the coefficients; in parts of the picture's error"""
    flat = components.reshape(len(components), -1)
    moved = (picture.gram @ components).reshape(flat.shape)
    return moved @ flat.T / picture.error, flat @ picture.cross.ravel() / picture.error


def coefficients(picture, components, ridge=1e-4):
    a, b = normal_equations(picture, components)
    return np.linalg.solve(a + ridge * np.eye(len(b)), b)


def fit_components(pictures, count, sweeps=5):
    """One after the other: the component that, with a coefficient for each picture, leaves the least relative error.

    pictures: amplitudes divided out -> [count,FEATURES,3], each 1 in mean relative squared error"""
    spread = np.mean([p.gram / p.error for p in pictures], 0)
    scale = scales(np.diag(spread))
    spread = spread * np.outer(scale, scale)
    values, vectors = np.linalg.eigh(spread)
    whiten = vectors / np.sqrt(np.maximum(values, 1e-7)) * scale[:, None]  # components are found in whitened coordinates
    grams = np.stack([whiten.T @ p.gram @ whiten / p.error for p in pictures])
    crosses = np.stack([whiten.T @ p.cross / p.error for p in pictures])
    n = len(pictures)
    found, left = np.zeros((0, FEATURES, 3)), crosses
    # Of each picture: components through its gram, and the normal equations of their coefficients.
    moved, matrix, side = np.zeros((n, 0, FEATURES * 3)), np.zeros((n, count, count)), np.zeros((n, count, 1))
    for k in range(count):
        b = np.linalg.svd(left.reshape(n, -1), full_matrices=False)[2][0].reshape(FEATURES, 3)
        for _ in range(sweeps):
            c = (b * left).sum((1, 2)) / ((b * (grams @ b)).sum((1, 2)) + 1e-3)
            a = np.tensordot(c * c, grams, 1)
            b = np.linalg.solve(a + COMPONENT_RIDGE * np.trace(a) / FEATURES * np.eye(FEATURES), np.tensordot(c, left, 1))
            b /= np.sqrt(max(1e-12, (b * (grams @ b)).sum((1, 2)).mean()))
        found = np.concatenate([found, b[None]])
        moved = np.concatenate([moved, (grams @ b).reshape(n, 1, -1)], 1)
        matrix[:, k, :k + 1] = matrix[:, :k + 1, k] = moved[:, k] @ found.reshape(k + 1, -1).T
        side[:, k, 0] = (b * crosses).sum((1, 2))
        best = np.linalg.solve(matrix[:, :k + 1, :k + 1] + 1e-4 * np.eye(k + 1), side[:, :k + 1])
        left = crosses - (best.transpose(0, 2, 1) @ moved).reshape(n, FEATURES, 3)
    return np.einsum('fg,kgo->kfo', whiten, found)


def fit(pictures, count=COMPONENTS):
    """-> mean [QUALITY_ANCHORS,FEATURES,3], amplitude [QUALITY_ANCHORS], components [count,FEATURES,3] and the standard
    deviations of their coefficients [count]"""
    shares = np.stack([hats(p.quality) for p in pictures])
    logs = np.log([p.error for p in pictures]) / 2
    amplitude = np.exp(np.linalg.lstsq(shares, logs, rcond=None)[0])
    mean = fit_mean(pictures)
    left = []
    for p in pictures:
        size = np.exp(hats(p.quality) @ np.log(amplitude))
        p = p.without(np.tensordot(hats(p.quality), mean, 1))
        left.append(Picture(p.quality, p.gram * size ** 2, p.cross * size, p.error))
    components = np.clip(fit_components(left, count), -HALF_MAX, HALF_MAX)  # of features that are small in all pictures
    deviation = np.std([coefficients(p, components, 1e-3) for p in left], 0)
    return dict(mean=mean, amplitude=amplitude, components=components, deviation=deviation)


def weights_for(picture, post_filter, count=COMPONENTS, ridge=1e-4):
    """What suits a picture; coefficients are not rounded. -> [FEATURES,3]"""
    mean = np.tensordot(hats(picture.quality), post_filter['mean'], 1)
    if not count:
        return mean
    components = post_filter['components'][:count] * np.exp(hats(picture.quality) @ np.log(post_filter['amplitude']))
    return mean + np.tensordot(coefficients(picture.without(mean), components, ridge), components, 1)


def gains(pictures, post_filter, count):
    """In dB, for each picture; coefficients are not rounded."""
    return np.array([10 * np.log10(p.error / p.without(weights_for(p, post_filter, count)).error) for p in pictures])


class InTheLoop:
    """The post-filter of a run, of which g_s is to know: what suits each crop as it is then, its mean following the
    weights."""

    EVERY, KEPT = 100, 600  # steps, crops
    RIDGE = 1e-3  # of more than a whole picture needs, as there the weaker coefficients are not worth their bits

    def __init__(self, fitted):
        """fitted: what main() writes"""
        self.fitted = {k: v.double().numpy() for k, v in fitted.items()}
        self.seen, self.steps = [], 0

    @torch.no_grad()
    def correction(self, x, x_hat, q):
        """x, x_hat [N,3,H,W], q [N] -> what is added to x_hat. It gets no gradient, which would be that of a small and
        smooth sum; where weights are those of least squares, theirs is 0."""
        x_hat = x_hat.clamp(0, 1)
        if fused.enabled and x.device.type == 'cpu':
            pictures = [Picture.of_sums(*p) for p in zip(x, x_hat, q.tolist())]
        else:
            pictures, f = Picture.observe(x, x_hat, q)
        weights = [weights_for(p, self.fitted, ridge=self.RIDGE) for p in pictures]
        self.seen = (self.seen + pictures)[-self.KEPT:]
        self.steps += 1
        if self.steps % self.EVERY == 0 and len(self.seen) == self.KEPT:
            self.fitted['mean'] = fit_mean(self.seen)
        if fused.enabled and x.device.type == 'cpu':
            return torch.stack([fused.apply_filter(t, torch.from_numpy(w)) for t, w in zip(x_hat, weights)])
        return (torch.from_numpy(np.stack(weights)).to(f).transpose(1, 2) @ f).view_as(x)


def main():
    arg = argparse.ArgumentParser(description=__doc__)
    arg.add_argument('weights')
    arg.add_argument('out')
    arg.add_argument('--data', nargs='+', required=True)
    arg.add_argument('--tables', default='', help='of refit_tables.py')
    arg.add_argument('--valid', default='')
    arg.add_argument('--exclude', default='', help='file with names of tiles to leave out, one a line')
    arg.add_argument('--pictures', type=int, default=1200, help='crops, each at a quality drawn at random')
    arg.add_argument('--crop', type=int, default=320)
    arg = arg.parse_args()
    if arg.pictures < 2 * QUALITY_ANCHORS:
        raise SystemExit('--pictures: %d or more expected' % (2 * QUALITY_ANCHORS))
    net = load_average(arg.weights, effort=1, tables=arg.tables)  # the residuals that the encoder gives by default
    crops = Crops(arg.data, arg.crop, 'cpu', read_names(arg.exclude))
    pictures = [Picture.of(net, crops.batch(1)[0], float(torch.rand(1))) for _ in range(arg.pictures)]
    post_filter = fit(pictures, min(COMPONENTS, arg.pictures // 2))  # of more, the last would have nothing left to do
    torch.save({k: torch.from_numpy(v).float() for k, v in post_filter.items()}, arg.out)
    if arg.valid:
        for quality in (0.05, 0.5, 0.95):
            others = [Picture.of(net, read_picture(f).float() / 255, quality) for f in list_pictures([arg.valid])[::4]]
            print('quality %.2f:' % quality, ', '.join('%+.3f dB with %d' % (gains(others, post_filter, k).mean(), k)
                                                       for k in (0, 16, 32, 64, 144)))


if __name__ == '__main__':
    main()
