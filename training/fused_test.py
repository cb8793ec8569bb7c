"""Compares fused.py with the plain forms: python3 fused_test.py"""
import unittest

import numpy as np
import torch

import fused
import post_filter
from exact import choose_residuals, gaussian_frequencies
from model import Lichen


def relative(a, b):
    return float((a - b).norm() / (b.norm() + 1e-12))


class Fused(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        torch.manual_seed(1)
        cls.net = Lichen(c4=16, c8=32, middle8=32, middle16=16, M=64, Z=16, P=32, middle_context=32, thin8=16,
                         rounded=2).to(memory_format=torch.channels_last)
        with torch.no_grad():
            for name, p in cls.net.named_parameters():
                p.add_(0.02 * torch.randn_like(p))
            cls.net.gain_y.p.add_(3)
            cls.net.inverse_gain_y.p.sub_(3)
            cls.net.unit_y.add_(6)
            for chain in cls.net.context:  # scales around 1
                chain[-1].conv.bias[64:] += 4

    DRAWS = 40  # noise differs: rates and gradients are means

    def train(self, use_fused, halves, hard):
        """-> x_hat, bits, gradients"""
        torch.manual_seed(2)
        x, q = torch.rand(2, 3, 64, 96), torch.tensor([0.2, 0.7])
        fused.enabled = use_fused
        self.net.zero_grad()
        total = 0
        for _ in range(self.DRAWS):
            with torch.autocast('cpu', dtype=torch.bfloat16, enabled=halves):
                x_hat, bits = self.net(x, q, hard=hard)
            (100 * ((x - x_hat) ** 2).mean() + bits.mean()).div(self.DRAWS).backward()
            total = total + bits.detach() / self.DRAWS
        return x_hat.detach(), total, {k: p.grad.clone() for k, p in self.net.named_parameters() if p.grad is not None}

    def test_training_step(self):
        """As near to what float computes as the plain form in bfloat16 is."""
        for hard in (False, True):
            for weight in (0, 14):
                self.net.trellis = None
                if weight:
                    choose_residuals(self.net, gaussian_frequencies(), weight)
                self.net.thresholds_of_z = None
                exact, plain, ours = (self.train(*c, hard) for c in ((False, False), (False, True), (True, True)))
                self.assertLess(relative(ours[0], exact[0]), 1.2 * relative(plain[0], exact[0]))
                self.assertLess(relative(ours[1], exact[1]), 0.015 if weight else 0.01)  # the trellis' noise is wider
                self.assertEqual(set(ours[2]), set(plain[2]))
                for k, g in exact[2].items():
                    self.assertLess(relative(ours[2][k], g), 0.05 + 2 * relative(plain[2][k], g), (k, hard, weight))

    def test_post_filter(self):
        x = torch.rand(1, 3, 75, 531)
        x_hat = (x + 0.02 * torch.randn_like(x)).clamp(0, 1)
        fused.enabled = False
        (plain,), f = post_filter.Picture.observe(x, x_hat, torch.tensor([0.5]))
        gram, cross, error = fused.observe_filter(x[0], x_hat[0])
        n = 75 * 531
        scale = np.sqrt(np.diag(plain.gram))
        self.assertLess(np.abs((gram / n - plain.gram) / np.outer(scale, scale)).max(), 1e-5)
        self.assertLess(np.abs((cross / n - plain.cross) / scale[:, None]).max(), 1e-6)
        self.assertAlmostEqual(error / n / plain.error, 1, 5)
        weights = torch.randn(50, 3)
        added = fused.apply_filter(x_hat[0], weights)
        self.assertLess(relative(added.flatten(1), weights.t() @ f[0]), 1e-5)

    def test_distortion(self):
        x, x_hat, added = torch.rand(3, 2, 3, 20, 317)
        found = []
        for ours in (True, False):
            shown = x_hat.clone().requires_grad_()
            squared = lambda error: (error ** 2).flatten(1).mean(1)
            mean = (fused.Distortion.apply(x, shown, added, 0.2) if ours else
                    0.2 * squared(shown - x) + 0.8 * squared(shown + added - x))
            (mean * torch.tensor([1., 3.])).sum().backward()
            found += [mean.detach(), shown.grad]
        self.assertLess(relative(found[0], found[2]), 1e-5)
        self.assertLess(relative(found[1], found[3]), 1e-5)

    def test_adam(self):
        make = lambda: [torch.nn.Parameter(torch.linspace(-1, 1, 24).view(s).contiguous(memory_format=m))
                        for s, m in (((2, 3, 2, 2), torch.channels_last), ((24,), torch.contiguous_format))]
        plain, ours = make(), make()
        a, b = torch.optim.Adam(plain, 1e-2), fused.Adam(ours, 1e-2)
        for step in range(5):
            for p, o in zip(plain, ours):
                p.grad = torch.sin(torch.arange(24.) * (step + 1)).view(p.shape)
                o.grad = p.grad.clone()
            norm = torch.nn.utils.clip_grad_norm_(plain, 2.0)
            a.step()
            self.assertAlmostEqual(b.clipped_step(2.0) / float(norm), 1, 5)
        ours[0].grad[0, 0, 0, 0] = float('nan')
        self.assertNotEqual(b.clipped_step(2.0), 0)  # a step that is left out
        for p, o in zip(plain, ours):
            self.assertLess(relative(o.detach(), p.detach()), 1e-5)
        a.load_state_dict(b.state_dict())


if __name__ == '__main__':
    if not fused.enable():
        raise SystemExit('fused.cc does not compile here')
    unittest.main()
