"""Trains the network, on a CPU or on GPUs (torchrun); see README.md for the recipe.

python3 train.py --data DIR... --out NAME --minutes M [--resume NAME.pt] [--device cuda] [--net c8=192 ...]

Quality, and with it lambda, are drawn per sample; bf16 autocast; cosine decay inside the time given; weights averaged.
NAME.pt resumes a run; NAME.weights.pt holds the averaged weights alone, as halves. Prints the cost, which is the
geometric mean of lambda * 255^2 * MSE + bits per pixel.
"""
import argparse
import math
import os
import time

import torch
import torch.distributed as dist

import fused
from data import Crops, read_names
from evaluate import load_tables
from exact import choose_residuals
from model import LAMBDA_RANGE, Lichen, load_weights, multiply_adds, start_from_klt, start_rounding
from post_filter import InTheLoop

LAMBDA_WEIGHT = 0.4  # the loss is cost / lambda^0.4: every quality then weighs about alike
HARD_SHARE = 0.15    # of the time at the end: scale indices rounded, table 0 not coded
CHOSEN_Z_SHARE = 0.35  # of the time at the end: z chosen, where residuals are; scales of z learn little without noise
UNFILTERED_SHARE = 0.2  # of the distortion, with --post-filter: what a filter can undo would cost nothing, and grow
AVERAGE_EVERY = 5
CLIP = 6.0            # of the gradient's norm


def parse_arguments():
    arg = argparse.ArgumentParser()
    arg.add_argument('--data', nargs='+', required=True)
    arg.add_argument('--exclude', default='', help='file with names of tiles never to train on, one a line')
    arg.add_argument('--out', required=True)
    arg.add_argument('--resume', default='')
    arg.add_argument('--fresh-optimiser', action='store_true', help='resume the weights alone: a warm restart')
    arg.add_argument('--device', default='cpu')
    arg.add_argument('--minutes', type=float, default=60)
    arg.add_argument('--crop', type=int, default=256)
    arg.add_argument('--batch', type=int, default=6)
    arg.add_argument('--late', type=float, default=1, help='share of the time after which crops and batch have the '
                     'sizes below: at the edge of a crop the network sees zeros, and larger ones have fewer edges')
    arg.add_argument('--late-crop', type=int, default=384)
    arg.add_argument('--late-batch', type=int, default=2)
    arg.add_argument('--lr', type=float, default=3e-4)
    arg.add_argument('--hold', type=float, default=0.4, help='share of the time before the learning rate decays')
    arg.add_argument('--only', default='', help='train only parameters with these prefixes, e.g. context,h_s,g_s')
    arg.add_argument('--weight', type=float, default=0, help='residuals are chosen as the encoder does at --effort 1, '
                     'a squared step being worth so many bits; 0: the nearest')
    arg.add_argument('--tables', default='', help='with --weight: of refit_tables.py, what symbols cost; Gaussians without')
    arg.add_argument('--post-filter', default='', help='output of post_filter.py: the distortion is that behind such a '
                     'filter')
    arg.add_argument('--frozen', action='store_true', help='the last phase: g_s, h_s and context alone, on rounded latents')
    arg.add_argument('--rounded', type=int, nargs='?', const=2, default=0, choices=(0, 1, 2), help='1: residual blocks '
                     "compute with 8-bit integers; 2 or no number: so does g_a's first convolution; where the weights of "
                     '--resume were trained without, steps are found from some batches')
    arg.add_argument('--net', nargs='*', default=[], help='sizes of the network, e.g. c8=192 middle8=96 M=320')
    arg.add_argument('--compile', action='store_true', help='torch.compile (PyTorch 2)')
    return arg.parse_args()


class Average:
    """Exponential moving average of the weights."""

    def __init__(self, state):
        self.state, self.count = state, 0

    @torch.no_grad()
    def update(self, net, step):
        current = net.state_dict()
        if not self.state:
            self.state = {k: v.clone() for k, v in current.items()}
        weight = max(0.001 * AVERAGE_EVERY, AVERAGE_EVERY / (step + 1))
        for k, v in current.items():
            self.state[k].lerp_(v, weight)


def learning_rate(arg, done, step):
    """Warm-up over 300 steps, constant, then a cosine down to a hundredth. done: share of the time gone."""
    decay = 1 if done < arg.hold else 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * (done - arg.hold) / (1 - arg.hold)))
    return arg.lr * min(1, (step + 1) / 300) * decay


def main():
    arg = parse_arguments()
    world = int(os.environ.get('WORLD_SIZE', 1))
    rank = int(os.environ.get('RANK', 0))
    if world > 1:
        dist.init_process_group('nccl' if arg.device.startswith('cuda') else 'gloo')
        if arg.device == 'cuda':
            arg.device = 'cuda:%s' % os.environ['LOCAL_RANK']
    device = torch.device(arg.device)
    torch.manual_seed(1000 * int(time.time()) + rank)
    torch.backends.cudnn.benchmark = True
    if device.type == 'cpu' and not fused.enable():
        print('fused.cc does not compile here: steps take longer', flush=True)

    crops = Crops(arg.data, arg.crop, device, read_names(arg.exclude))
    saved = torch.load(arg.resume, map_location=device) if arg.resume else {}
    sizes = saved.get('sizes') or {k: int(v) for k, v in (s.split('=') for s in arg.net)}
    weights = saved.get('net') or saved.get('average') or {}  # NAME.weights.pt has the averages alone
    rounded = sizes.get('rounded', 0) if saved else 0
    sizes['rounded'] = max(arg.rounded, sizes.get('rounded', 0))
    net = Lichen(**sizes).to(device).to(memory_format=torch.channels_last)
    if saved:
        complete = load_weights(net, weights, rounded=not arg.rounded)
    else:
        start_from_klt(net, crops.batch(48))
    start_rounding(net, rounded, ((crops.batch(6), torch.linspace(0, 1, 6, device=device)) for _ in range(20)))
    if arg.frozen:
        arg.only = arg.only or 'g_s,h_s,context'
    if arg.weight:
        choose_residuals(net, load_tables(arg.tables), arg.weight)
    thresholds_of_z, net.thresholds_of_z = net.thresholds_of_z, None
    in_the_loop = InTheLoop(torch.load(arg.post_filter)) if arg.post_filter else None
    if arg.only:
        for name, p in net.named_parameters():
            p.requires_grad_(name.startswith(tuple(arg.only.split(','))))
    trained = [p for p in net.parameters() if p.requires_grad]
    optimiser = fused.Adam(trained, arg.lr, foreach=True)
    step, average = 0, Average({})
    # Its state is of as many parameters as the run had that saved it.
    if 'optimiser' in saved and not arg.fresh_optimiser and rounded == sizes['rounded'] and complete:
        optimiser.load_state_dict(saved['optimiser'])
        step, average = saved['step'], Average(saved['average'])
    forward = net
    if world > 1:
        forward = torch.nn.parallel.DistributedDataParallel(net, find_unused_parameters=bool(arg.only),
                                                            gradient_as_bucket_view=True)
    if arg.compile:
        forward = torch.compile(forward)
    if rank == 0:
        print(len(crops.images), 'pictures;', 'multiply-adds per pixel:',
              ', '.join('%s %.0f' % p for p in multiply_adds(net).items()), flush=True)

    def save():
        if rank == 0:
            state = dict(net=net.state_dict(), optimiser=optimiser.state_dict(), step=step, average=average.state,
                         sizes=net.sizes)
            torch.save(state, arg.out + '.tmp')
            os.replace(arg.out + '.tmp', arg.out + '.pt')
            halves = {k: v.half() for k, v in average.state.items()}
            torch.save(dict(average=halves, step=step, sizes=net.sizes), arg.out + '.weights.pt')

    log_lo, log_hi = map(math.log, LAMBDA_RANGE)
    begin, first, stats = time.time(), step, []
    done = torch.zeros(1, device=device)
    while True:
        done.fill_((time.time() - begin) / 60 / arg.minutes)
        if world > 1:
            dist.broadcast(done, 0)  # all must leave the loop at the same step
        share = float(done)
        if share >= 1:
            break
        if share >= arg.late and crops.crop != arg.late_crop:
            crops.use(arg.late_crop)
            arg.batch = arg.late_batch
        if share >= 1 - CHOSEN_Z_SHARE:
            net.thresholds_of_z = thresholds_of_z
        for group in optimiser.param_groups:
            group['lr'] = learning_rate(arg, share, step - first)
        x, q = crops.batch(arg.batch), torch.rand(arg.batch, device=device)
        lam = torch.exp(log_lo + q * (log_hi - log_lo))
        with torch.autocast(device.type, dtype=torch.bfloat16):
            x_hat, bpp = forward(x, q, hard=share >= 1 - HARD_SHARE, frozen=arg.frozen)
        added, share_before = torch.zeros_like(x), 1
        if in_the_loop:
            added, share_before = in_the_loop.correction(x, x_hat.detach(), q), UNFILTERED_SHARE
        if fused.enabled:
            mse = fused.Distortion.apply(x, x_hat, added, share_before)
        else:
            squared = lambda error: (error ** 2).flatten(1).mean(1)
            mse = share_before * squared(x_hat - x) + (1 - share_before) * squared(x_hat + added - x)
        cost = lam * 255 ** 2 * mse + bpp
        loss = (cost / lam ** LAMBDA_WEIGHT).mean()
        optimiser.zero_grad(set_to_none=True)
        loss.backward()
        if fused.enabled:
            optimiser.clipped_step(CLIP)
        else:
            norm = torch.nn.utils.clip_grad_norm_(trained, CLIP)
            if device.type == 'cuda':  # without asking the GPU, which would stall each step: bad gradients become zero
                for p in trained:
                    p.grad.nan_to_num_(0, 0, 0)
                optimiser.step()
            elif torch.isfinite(norm):
                optimiser.step()
        step += 1
        if step % AVERAGE_EVERY == 0:
            average.update(net, step)
        stats.append(torch.stack([cost.log().mean(), -10 * mse.log10().mean(), bpp.mean()]).detach())
        if step % 100 == 0:
            c, p, b = torch.stack(stats).mean(0).tolist()
            stats = []
            if rank == 0:
                print('%d cost %.4f psnr %.2f bpp %.4f t %.0f' % (step, math.exp(c), p, b, time.time() - begin),
                      flush=True)
            if not math.isfinite(c):
                raise SystemExit('the loss is not finite: resume from the last checkpoint with a lower --lr')
        if step % 500 == 0:
            save()
    save()


if __name__ == '__main__':
    main()
