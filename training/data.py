"""Training crops and validation tiles, kept as uint8 tensors on the training device."""
import glob
import random

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image


def read_picture(path):
    """-> uint8 [3,H,W]"""
    return torch.from_numpy(np.asarray(Image.open(path).convert('RGB')).copy()).permute(2, 0, 1).contiguous()


def list_pictures(folders):
    return [f for d in folders for f in sorted(glob.glob(d + '/*.jpg') + glob.glob(d + '/*.png'))]


def read_names(path):
    """-> the file names in a list, one a line; none without a list"""
    return set(open(path).read().split()) if path else set()


class Crops:
    """Random crops of pictures that lie, as uint8, on one device."""

    def __init__(self, folders, crop, device, exclude=()):
        names = [f for f in list_pictures(folders) if f.rsplit('/', 1)[1] not in exclude]
        self.images = [read_picture(f).to(device) for f in names]
        self.use(crop)

    def use(self, crop):
        """Crops of another size from now on; pictures that are smaller are dropped."""
        self.images = [im for im in self.images if min(im.shape[1:]) >= crop]
        self.crop = crop
        if not self.images:
            raise SystemExit('no picture of at least %d pixels a side' % crop)
        self.largest = max(min(im.shape[1:]) for im in self.images)

    def batch(self, n):
        """[n,3,crop,crop] float 0..1, flipped and transposed at random; one scale a batch, mostly below 1/1.2, because
        the sources are JPEG."""
        size = self.crop if random.random() < 0.2 else random.randint(int(1.2 * self.crop), 2 * self.crop)
        size = min(size, self.largest)
        fitting = [im for im in self.images if min(im.shape[1:]) >= size]
        crops = []
        for im in random.choices(fitting, k=n):
            y, x = random.randint(0, im.shape[1] - size), random.randint(0, im.shape[2] - size)
            im = im[:, y:y + size, x:x + size]
            im = im.flip(2) if random.random() < .5 else im
            crops.append(im.transpose(1, 2) if random.random() < .5 else im)
        x = torch.stack(crops).float() / 255
        if size != self.crop:
            x = F.interpolate(x, size=(self.crop, self.crop), mode='bicubic', antialias=True, align_corners=False)
        return x.clamp(0, 1)
