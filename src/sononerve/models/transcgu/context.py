"""Transformer layers over the grid of the bottleneck, with a class token and a box token."""

from __future__ import annotations

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

LONGEST_WAVE = 10_000.0


class Context(nn.Module):
    """``layers`` transformer layers (Vaswani 2017, arXiv:1706.03762, normalised before each part) over grid cells.

    What they find is added to the cells. Two learned tokens travel with the cells: one is read for presence and opens
    the gates, the other for the box. Without layers both see the mean of all cells, and the cells stay as they are.
    """

    def __init__(self, channels: int, layers: int, heads: int) -> None:
        super().__init__()
        self.tokens = nn.Parameter(torch.zeros(1, 2, channels))
        nn.init.trunc_normal_(self.tokens, std=0.02)
        self.layers = nn.ModuleList(_Layer(channels, heads) for _ in range(layers))
        self.norm = nn.LayerNorm(channels)

    def forward(
        self, features: Float[Tensor, "n c h w"]
    ) -> tuple[Float[Tensor, "n c h w"], Float[Tensor, "n c"], Float[Tensor, "n c"]]:
        """Features ``(N, C, H, W)`` to those with context, the class token and the box token, ``(N, C)`` each."""
        count, channels, height, width = features.shape
        cells = features.flatten(2).transpose(1, 2)
        if not len(self.layers):
            tokens = self.norm(self.tokens + cells.mean(1, keepdim=True))
            return features, tokens[:, 0], tokens[:, 1]
        cells = cells + positions(height, width, channels, cells.device).to(cells)
        found = torch.cat([self.tokens.expand(count, -1, -1).to(cells.dtype), cells], dim=1)
        for layer in self.layers:
            found = layer(found)
        found = self.norm(found)
        context = found[:, 2:].transpose(1, 2).reshape(count, channels, height, width)
        return features + context, found[:, 0], found[:, 1]


class _Layer(nn.Module):
    def __init__(self, channels: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm, self.norm_after = nn.LayerNorm(channels), nn.LayerNorm(channels)
        self.ask, self.join = nn.Linear(channels, 3 * channels), nn.Linear(channels, channels)
        self.think = nn.Sequential(nn.Linear(channels, 2 * channels), nn.GELU(), nn.Linear(2 * channels, channels))

    def forward(self, cells: Float[Tensor, "n k c"]) -> Float[Tensor, "n k c"]:
        count, number, channels = cells.shape
        asked = self.ask(self.norm(cells)).reshape(count, number, 3, self.heads, channels // self.heads)
        query, key, value = asked.permute(2, 0, 3, 1, 4)
        seen = F.scaled_dot_product_attention(query, key, value).transpose(1, 2).reshape(count, number, channels)
        cells = cells + self.join(seen)
        thought: Tensor = cells + self.think(self.norm_after(cells))
        return thought


def positions(height: int, width: int, channels: int, device: torch.device | None = None) -> Float[Tensor, "k c"]:
    """Sines and cosines of row and column, ``(H W, C)``, half of the channels each; C is a multiple of 4."""
    quarter = channels // 4
    waves = torch.exp(-math.log(LONGEST_WAVE) * torch.arange(quarter, device=device) / quarter)
    rows, columns = (torch.arange(size, device=device)[:, None] * waves for size in (height, width))
    by_row = torch.cat([rows.sin(), rows.cos()], dim=1)[:, None].expand(-1, width, -1)
    by_column = torch.cat([columns.sin(), columns.cos()], dim=1)[None].expand(height, -1, -1)
    return torch.cat([by_row, by_column], dim=2).flatten(0, 1)
