"""Dependent quantisation of y, as ../codec/trellis.h describes it, which does the search where a compiler is at hand.

A level is 3/4 of a quantisation step. Quantiser 0 has the even levels, quantiser 1 the odd ones and 0; symbols of
magnitude k are level 2k of the first and 2k - 1 of the second. Which of them is meant follows from whether the symbols
before are even or odd."""
import ctypes

import torch

import fused

LEVEL = 0.75
BITS = 6            # of the state, in training and evaluation: as lichen-enc has at --effort 0, 7 at --effort 1
LIMIT = 16384       # of residuals, in steps
LARGEST = 63        # magnitudes that have a cost of their own
POLYNOMIALS = {4: (0o23, 0o4), 5: (0o45, 0o10), 6: (0o103, 0o24), 7: (0o235, 0o126), 8: (0o515, 0o362)}


def next_states(bits=BITS):
    """-> [states][parity of the symbol]; the quantiser of a state is its lowest bit"""
    h0, h1 = POLYNOMIALS[bits]
    fed_back = lambda s, odd: (s ^ (h1 if odd else 0) ^ (h0 if s & 1 else 0)) % (1 << bits)
    return [[fed_back(s, odd) >> 1 | (s & 1) << (bits - 1) for odd in (0, 1)] for s in range(1 << bits)]


def level_of(quantiser, symbol):
    return 2 * symbol - quantiser * symbol.sign()


def cells(quantiser, magnitude):
    """Least and largest value, in steps, that a symbol's level is the nearest to."""
    if quantiser == 0:
        return (2 * magnitude - 1) * LEVEL, (2 * magnitude + 1) * LEVEL
    if magnitude == 0:
        return -LEVEL / 2, LEVEL / 2
    return (LEVEL / 2 if magnitude == 1 else (2 * magnitude - 2) * LEVEL), 2 * magnitude * LEVEL


class Trellis:
    """cost: float32 [2][SCALES][LARGEST + 1], bits by quantiser, table and magnitude; weight: bits that a squared step of
    error is worth"""

    def __init__(self, cost, weight, bits=BITS):
        self.cost, self.weight, self.bits = cost.contiguous(), weight, bits
        self.next = torch.tensor(next_states(bits))

    @torch.no_grad()
    def __call__(self, exact, index):
        """exact [4,N,h,w,C] in steps, index: scale tables, 0 where nothing is coded -> levels in steps, symbols,
        quantisers, all 0 where nothing is coded. One sequence a sample, or, without a compiler, one a position."""
        table = index.clamp(0, 63).to(torch.uint8)
        exact = exact.nan_to_num(0).clamp(-LIMIT, LIMIT)
        found = [torch.zeros_like(exact), torch.zeros_like(exact), torch.zeros_like(exact)]
        if fused.library is None or exact.device.type != 'cpu':
            return self.search(exact, table)
        for n in range(exact.shape[1]):
            kept = table[:, n] > 0
            e, t = exact[:, n][kept].float().contiguous(), table[:, n][kept].contiguous()
            symbols, quantisers = torch.empty(len(e), dtype=torch.int32), torch.empty(len(e), dtype=torch.int32)
            fused.library.lichen_trellis(
                fused.pointer(e), fused.pointer(t), ctypes.c_int64(len(e)), fused.pointer(self.cost),
                ctypes.c_double(self.weight), ctypes.c_int(self.bits), fused.pointer(symbols),
                fused.pointer(quantisers))
            for to, v in zip(found, (level_of(quantisers, symbols) * LEVEL, symbols, quantisers)):
                to[:, n][kept] = v.to(to.dtype)
        return found

    def search(self, exact, table):
        """The same by PyTorch, for rows of C values each, side by side."""
        shape, c = exact.shape, exact.shape[-1]
        exact, table = exact.reshape(-1, c).float(), table.reshape(-1, c).long()
        rows, states, device = exact.shape[0], 1 << self.bits, exact.device
        size, cost = exact.abs(), self.cost.to(device)
        # [rows, c] of each quantiser and parity: the nearest magnitude and its neighbours
        branch, symbol = torch.empty(2, 2, rows, c, device=device), torch.empty(2, 2, rows, c, device=device)
        for q in range(2):
            shift = q * LEVEL
            middle = ((size + shift) / (2 * LEVEL) + 0.5).floor()
            middle = torch.where((middle == 1) & (size < shift / 2), torch.zeros_like(middle), middle)
            best = torch.full((2, rows, c), float('inf'), device=device)
            for k in (middle, torch.where(middle > 0, middle - 1, middle + 1), middle + 1):
                error = size - (2 * k - q * k.sign()) * LEVEL
                bits = self.weight * error ** 2 + cost[q][table, k.long().clamp_max(LARGEST)]
                for parity in range(2):
                    better = (k % 2 == parity) & (bits < best[parity])
                    best[parity] = torch.where(better, bits, best[parity])
                    symbol[q, parity] = torch.where(better, k, symbol[q, parity])
            branch[q] = best
        before = torch.empty(states, 2, dtype=torch.long)
        for s, row in enumerate(self.next.tolist()):
            for parity, t in enumerate(row):
                before[t, parity] = s
        before = before.to(device)
        quantiser = before & 1  # [states, parity]
        total = torch.full((rows, states), 1e9, device=device)
        total[:, 0] = 0
        odd = torch.empty(c, rows, states, dtype=torch.bool, device=device)
        for i in range(c):
            kept = (table[:, i] > 0)[:, None]
            even_way, odd_way = (total[:, before[:, p]] + branch[quantiser[:, p], p, :, i].t() for p in range(2))
            odd[i] = odd_way < even_way
            total = torch.where(kept, torch.minimum(even_way, odd_way), total)
        state = total.argmin(1)
        found = torch.zeros(2, rows, c, device=device)
        for i in reversed(range(c)):
            kept = table[:, i] > 0
            parity = odd[i].gather(1, state[:, None])[:, 0].long()
            from_state = before[state, parity]
            q = from_state & 1
            k = symbol[:, :, :, i].permute(2, 0, 1)[torch.arange(rows), q, parity] * torch.where(exact[:, i] < 0, -1.0, 1.0)
            found[0, :, i], found[1, :, i] = k * kept, q * kept
            state = torch.where(kept, from_state, state)
        symbols, quantisers = found.view(2, *shape)
        return level_of(quantisers, symbols) * LEVEL, symbols, quantisers
