"""The network and the loop as published code of the deep image prior has them: a module per layer.

With reflection padding and upsampling modules, Adam as it comes, the noise saved and copied, and at
every step the output on the host for the moving average and the PSNR.
"""

import numpy as np
import torch
from torch import nn

from restoration.networks.hourglass import Hourglass, Level


def plain_block(inputs, outputs, kernel, stride=1):
    return [
        nn.ReflectionPad2d(kernel // 2),
        nn.Conv2d(inputs, outputs, kernel, stride),
        nn.BatchNorm2d(outputs),
        nn.LeakyReLU(0.2),
    ]


class Concat(nn.Module):
    def __init__(self, *branches):
        super().__init__()
        self.branches = nn.ModuleList(branches)

    def forward(self, x):
        return torch.cat([branch(x) for branch in self.branches], 1)


def plain_level(level: Level, inputs: int) -> nn.Sequential:
    filters = level.filters
    inside = [*plain_block(inputs, filters, 3, 2), *plain_block(filters, filters, 3)]
    if level.deeper is not None:
        inside.append(plain_level(level.deeper, filters))
    mode = "nearest" if level.nearest else "bilinear"
    inside.append(nn.Upsample(scale_factor=2, mode=mode))
    body = nn.Sequential(*inside)
    skip = level.skip.convolution.out_channels if level.skip is not None else 0
    joined = level.norm.num_features
    first = Concat(nn.Sequential(*plain_block(inputs, skip, 1)), body) if skip else body
    return nn.Sequential(
        first,
        nn.BatchNorm2d(joined),
        *plain_block(joined, filters, 3),
        *plain_block(filters, filters, 1),
    )


def plain_network(ours: Hourglass, depth: int) -> nn.Sequential:
    """The same function as a module per layer, with the same weights."""
    head = nn.Conv2d(*reversed(ours.head.weight.shape[:2]), 1)
    net = nn.Sequential(plain_level(ours.level, depth), head, nn.Sigmoid())
    # both register their layers in the order in which data passes them
    for theirs, own in zip(net.parameters(), ours.parameters(), strict=True):
        theirs.data.copy_(own.data)
    return net


def plain_stepper(net, batch, truth):
    optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
    loss_function = nn.MSELoss()
    saved, noise = batch.z.detach().clone(), batch.z.detach().clone()
    state = {"average": None, "psnr": []}
    original = truth[0].numpy()

    def step():
        optimizer.zero_grad()
        output = net(saved + noise.normal_() / 30)
        if state["average"] is None:
            state["average"] = output.detach()
        else:
            state["average"] = state["average"] * 0.99 + output.detach() * 0.01
        loss = loss_function(output, batch.target)
        loss.backward()
        picture = np.clip(state["average"].cpu().numpy()[0], 0, 1)
        state["psnr"].append(-10 * np.log10(((picture - original) ** 2).mean()))
        loss.item()
        optimizer.step()

    return step
