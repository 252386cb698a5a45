#!/usr/bin/env python3
"""Trains recipes of experiments/published in PyTorch, to see what a published number is worth.

    pip install torch numpy
    published.py RECIPE --data experiments/published/data/mnist [--seeds 0,1,2] [--epochs N] [--threads 2]

RECIPE is `walkthrough`, `keras`, `disvae` (with beta = 4), `disvae_capacity` or `pythae`: the settings of the spec with that name. Prints one line of JSON
per epoch, and one with the result of each seed.
"""
import argparse
import copy
import json
import math
import struct

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn


def idx(path):
    """The images of an IDX file as rows of values from 0 to 1."""
    with open(path, "rb") as file:
        _, count, height, width = struct.unpack(">4I", file.read(16))
        return torch.from_numpy(np.frombuffer(file.read(), np.uint8).copy()).float().view(count, height * width) / 255


def glorot(module):
    """The initial weights of Keras."""
    if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)):
        nn.init.xavier_uniform_(module.weight)
        nn.init.zeros_(module.bias)


class Cropped(nn.ConvTranspose2d):
    """The adjoint of a convolution with stride 2 that TensorFlow pads only at the end: twice as many rows and columns."""

    def __init__(self, channels, outputs):
        super().__init__(channels, outputs, 3, 2)

    def forward(self, x):
        return super().forward(x)[:, :, :2 * x.shape[2], :2 * x.shape[3]]


class Walkthrough(nn.Module):
    """The network of experiments/walkthrough.toml."""

    def __init__(self):
        super().__init__()
        relu = nn.ReLU()
        # TensorFlow pads a convolution with stride 2 only at the end.
        self.encoder = nn.Sequential(
            nn.Unflatten(1, (1, 28, 28)), nn.Conv2d(1, 32, 3, padding=1), relu, nn.ZeroPad2d((0, 1, 0, 1)), nn.Conv2d(32, 64, 3, 2), relu,
            nn.Conv2d(64, 64, 3, padding=1), relu, nn.Conv2d(64, 64, 3, padding=1), relu, nn.Flatten(), nn.Linear(12544, 32), relu)
        self.mean, self.log_var = nn.Linear(32, 2), nn.Linear(32, 2)
        self.decoder = nn.Sequential(nn.Linear(2, 12544), relu, nn.Unflatten(1, (64, 14, 14)), Cropped(64, 32), relu)
        self.last = nn.Conv2d(32, 1, 3, padding=1)
        self.apply(glorot)

    def logits(self, z):
        return self.last(self.decoder(z)).flatten(1)

    def loss(self, x):
        hidden = self.encoder(x)
        mean, log_var = self.mean(hidden), self.log_var(hidden)
        # The standard deviation of the walkthrough.
        z = mean + torch.exp(log_var) * torch.randn_like(mean)
        recon = F.binary_cross_entropy_with_logits(self.logits(z), x)
        return recon - 5e-4 * (1 + log_var - mean ** 2 - log_var.exp()).mean()


class Keras(nn.Module):
    """The network of the VAE among the examples of Keras."""

    def __init__(self):
        super().__init__()
        relu, pad = nn.ReLU(), nn.ZeroPad2d((0, 1, 0, 1))
        self.encoder = nn.Sequential(
            nn.Unflatten(1, (1, 28, 28)), pad, nn.Conv2d(1, 32, 3, 2), relu, pad, nn.Conv2d(32, 64, 3, 2), relu,
            nn.Flatten(), nn.Linear(3136, 16), relu)
        self.mean, self.log_var = nn.Linear(16, 2), nn.Linear(16, 2)
        self.decoder = nn.Sequential(
            nn.Linear(2, 3136), relu, nn.Unflatten(1, (64, 7, 7)), Cropped(64, 64), relu, Cropped(64, 32), relu,
            nn.ConvTranspose2d(32, 1, 3, padding=1), nn.Flatten())
        self.apply(glorot)

    def loss(self, x):
        hidden = self.encoder(x)
        mean, log_var = self.mean(hidden), self.log_var(hidden)
        z = mean + torch.exp(log_var / 2) * torch.randn_like(mean)
        recon = F.binary_cross_entropy_with_logits(self.decoder(z), x, reduction="none").sum(1)
        return (recon - 0.5 * (1 + log_var - mean ** 2 - log_var.exp()).sum(1)).mean()


class Burgess(nn.Module):
    """The network of Burgess et al. 2018 for 32x32, with a term of the loss from the mean KL and the number of steps."""

    def __init__(self, term):
        super().__init__()
        self.term = term
        relu = nn.ReLU()
        halve = lambda channels: (nn.Conv2d(channels, 32, 4, 2, 1), relu)
        double = lambda channels: (nn.ConvTranspose2d(32, channels, 4, 2, 1), relu)
        self.encoder = nn.Sequential(
            nn.Unflatten(1, (1, 32, 32)), *halve(1), *halve(32), *halve(32), nn.Flatten(),
            nn.Linear(512, 256), relu, nn.Linear(256, 256), relu, nn.Linear(256, 20))
        self.decoder = nn.Sequential(
            nn.Linear(10, 256), relu, nn.Linear(256, 256), relu, nn.Linear(256, 512), relu, nn.Unflatten(1, (32, 4, 4)),
            *double(32), *double(32), double(1)[0], nn.Flatten())
        self.apply(self.he)
        self.steps = 0

    @staticmethod
    def he(module):
        """The initial weights of disvae; the biases are PyTorch's."""
        if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)):
            nn.init.kaiming_uniform_(module.weight, nonlinearity="relu")

    def loss(self, x):
        if self.training and torch.is_grad_enabled():
            self.steps += 1
        mean, log_var = self.encoder(x).chunk(2, 1)
        z = mean + torch.exp(log_var / 2) * torch.randn_like(mean)
        recon = F.binary_cross_entropy_with_logits(self.decoder(z), x, reduction="none").sum(1).mean()
        kl = -0.5 * (1 + log_var - mean ** 2 - log_var.exp()).sum(1).mean()
        self.parts = {"recon": recon.item(), "kl": kl.item()}
        return recon + self.term(kl, self.steps)


class Pythae(nn.Module):
    """The network of Rezende and Mohamed 2015 as pythae has it: 784-400-40."""

    def __init__(self):
        super().__init__()
        self.hidden, self.mean, self.log_var = nn.Linear(784, 400), nn.Linear(400, 40), nn.Linear(400, 40)
        self.decoder = nn.Sequential(nn.Linear(40, 400), nn.ReLU(), nn.Linear(400, 784))

    def posterior(self, x):
        hidden = torch.relu(self.hidden(x))
        return self.mean(hidden), self.log_var(hidden)

    def loss(self, x):
        mean, log_var = self.posterior(x)
        z = mean + torch.exp(log_var / 2) * torch.randn_like(mean)
        recon = F.binary_cross_entropy_with_logits(self.decoder(z), x, reduction="none").sum(1)
        return (recon - 0.5 * (1 + log_var - mean ** 2 - log_var.exp()).sum(1)).mean()

    def nll(self, x, samples):
        """Minus the logarithm of the mean of importance weights, of each image."""
        mean, log_var = self.posterior(x)
        noise = torch.randn(samples, *mean.shape)
        z = mean + torch.exp(log_var / 2) * noise
        log_x = -F.binary_cross_entropy_with_logits(self.decoder(z), x.expand(samples, *x.shape), reduction="none").sum(2)
        weights = log_x - 0.5 * (z ** 2).sum(2) + 0.5 * (noise ** 2 + log_var).sum(2)
        return math.log(samples) - torch.logsumexp(weights, 0)


def batches(images, size, shuffled):
    order = torch.randperm(len(images)) if shuffled else torch.arange(len(images))
    return (images[rows] for rows in order.split(size))


def mean_loss(model, images, size):
    with torch.no_grad():
        losses = [(model.loss(x).item(), len(x)) for x in batches(images, size, False)]
    return sum(loss * count for loss, count in losses) / len(images)


def train(model, optimizer, images, validation, size, epochs, seed, schedule=None):
    """Trains; returns the epoch with the lowest validation loss and its weights."""
    best = (math.inf, 0, None)
    for epoch in range(1, epochs + 1):
        total, parts = 0.0, {}
        for x in batches(images, size, True):
            optimizer.zero_grad(set_to_none=True)
            loss = model.loss(x)
            loss.backward()
            optimizer.step()
            total += loss.item() * len(x)
            for name, value in getattr(model, "parts", {}).items():
                parts[name] = parts.get(name, 0.0) + value * len(x) / len(images)
        if schedule:
            schedule.step()
        held_out = mean_loss(model, validation, 500)
        print(json.dumps({"seed": seed, "epoch": epoch, "train_loss": total / len(images), **parts, "validation_loss": held_out}), flush=True)
        if held_out < best[0]:
            best = (held_out, epoch, copy.deepcopy(model.state_dict()))
    return best


def walkthrough(pool, test, seed, epochs):
    model = Walkthrough()
    optimizer = torch.optim.RMSprop(model.parameters(), lr=1e-3, alpha=0.9, eps=1e-7)
    train(model, optimizer, pool, test, 16, epochs or 10, seed)
    return {"validation_loss": mean_loss(model, test, 500)}


def keras(pool, test, seed, epochs):
    model = Keras()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-3, eps=1e-7)
    # The published numbers are training losses, of all images.
    train(model, optimizer, torch.cat([pool, test]), test, 128, epochs or 30, seed)
    return {"test_loss": mean_loss(model, test, 500)}


def burgess(pool, test, seed, epochs, term, rate):
    wider = lambda x: F.interpolate(x.view(-1, 1, 28, 28), 32, mode="bilinear", align_corners=False).flatten(1)
    pool, test = wider(pool), wider(test)
    model = Burgess(term)
    train(model, torch.optim.Adam(model.parameters(), lr=rate), pool, test, 64, epochs, seed)
    return {"test_loss": mean_loss(model, test, 500)}


def disvae(pool, test, seed, epochs):
    return burgess(pool, test, seed, epochs or 50, lambda kl, steps: min(steps / 10_000, 1) * 4 * kl, 5e-4)


def disvae_capacity(pool, test, seed, epochs):
    return burgess(pool, test, seed, epochs or 100, lambda kl, steps: 100 * (kl - 25 * min(steps / 100_000, 1)).abs(), 1e-3)


def pythae(pool, test, seed, epochs):
    # The pixels are drawn once, the same for each seed.
    draw = torch.Generator().manual_seed(0)
    pool, test = torch.bernoulli(pool, generator=draw), torch.bernoulli(test, generator=draw)
    model = Pythae()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-4)
    schedule = torch.optim.lr_scheduler.MultiStepLR(optimizer, [200, 350, 500], gamma=10 ** -0.2)
    loss, epoch, weights = train(model, optimizer, pool[:50_000], pool[50_000:], 100, epochs or 500, seed, schedule)
    model.load_state_dict(weights)
    with torch.no_grad():
        nll = torch.cat([model.nll(x, 200) for x in test.split(50)])
    return {"best_epoch": epoch, "validation_loss": loss, "test_loss": mean_loss(model, test, 500), "test_nll_nats": nll.mean().item()}


RECIPES = {"walkthrough": walkthrough, "keras": keras, "disvae": disvae, "disvae_capacity": disvae_capacity, "pythae": pythae}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", choices=RECIPES)
    parser.add_argument("--data", required=True, help="the folder of the IDX files of MNIST")
    parser.add_argument("--seeds", default="0", help="seeds, separated by commas")
    parser.add_argument("--epochs", type=int, help="fewer epochs than the recipe has")
    parser.add_argument("--threads", type=int, default=2)
    a = parser.parse_args()
    torch.set_num_threads(a.threads)
    pool, test = (idx(f"{a.data}/{name}-images-idx3-ubyte") for name in ("train", "t10k"))
    for seed in map(int, a.seeds.split(",")):
        torch.manual_seed(seed)
        print(json.dumps({"recipe": a.recipe, "seed": seed, **RECIPES[a.recipe](pool, test, seed, a.epochs)}), flush=True)


if __name__ == "__main__":
    main()
