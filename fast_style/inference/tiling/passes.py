"""Passes over a picture, tile by tile."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from fast_style.inference.tiling.plan import Plan
from fast_style.inference.tiling.program import Item, Mark, Norm, Statistics
from fast_style.inference.tiling.regions import Path, Region, Size, Span
from fast_style.inference.tiling.store import Photo, Result, Sink, Store, Sum, Window

Progress = Callable[[float], None]
Source = Photo | Store


class Moments:
    """Mean and variance of all pixels, from those of tiles."""

    def __init__(self) -> None:
        self.counts: list[int] = []
        self.means: list[Tensor] = []
        self.variances: list[Tensor] = []

    def add(self, y: Tensor) -> None:
        """Take in a tile (1, C, h, w)."""
        values = y.float()
        mean = values.mean(dim=(0, 2, 3), keepdim=True)
        centred = values - mean
        error = centred.mean(dim=(0, 2, 3))  # of the mean, by rounding: all there is where nothing varies
        self.counts.append(y.shape[-2] * y.shape[-1])
        self.means.append(mean.flatten() + error)
        self.variances.append(centred.square_().mean(dim=(0, 2, 3)) - error.square())

    def merge(self) -> Statistics:
        """Mean and biased variance, (C,), in float32 on the device of the tiles (Chan et al. 1979)."""
        # In float64, which not every device has.
        means, variances = (torch.stack(each).cpu().double() for each in (self.means, self.variances))  # (tiles, C)
        shares = torch.tensor(self.counts, dtype=torch.float64)[:, None]
        shares /= shares.sum()
        mean = (shares * means).sum(dim=0)
        variance = (shares * (variances.clamp(min=0) + (means - mean).square())).sum(dim=0)
        device = self.means[0].device
        return mean.float().to(device), variance.float().to(device)


class Passes:
    """Runs a program over a picture.

    Args:
        program: of the network.
        photo: the picture.
        plan: what to keep.
        tile: side of a tile, in pixels of the picture.
        make_store: makes room for activations of a size.
        progress: is told the share of the work that is done.
    """

    def __init__(
        self,
        program: Sequence[Item],
        photo: Photo,
        plan: Plan,
        tile: int,
        make_store: Callable[[Size], Store],
        progress: Progress,
    ) -> None:
        self.program, self.photo, self.plan, self.tile = program, photo, plan, tile
        self.make_store, self.progress = make_store, progress
        self.done = 0.0
        self.spare: Store | None = None  # reused by the next residual block: fresh memory is slow

    def run(self, result: Result | None) -> list[Statistics]:
        """Go through the program; the last pass writes the result, and is left out where none is wanted.

        Returns:
            Mean and variance of the input of each norm, (C,).
        """
        source: Source = self.photo
        identities: list[Store] = []
        pending: list[Region] = []  # what is still to be done to the source
        statistics = []
        for position, item in enumerate(self.program):
            if isinstance(item, Region):
                pending.append(item)
            elif isinstance(item, Norm):
                moments = Moments()
                if position in self.plan.kept:
                    source, pending = self._keep(source, pending, identities, moments), []
                else:
                    self._sweep(source, pending, None, moments)
                statistics.append(moments.merge())
                pending.append(item(statistics[-1]))
            elif item is Mark.FORK:
                if pending or not isinstance(source, Store):
                    source, pending = self._keep(source, pending, identities), []
                identities.append(source)
            else:
                self._sweep(source, pending, Sum(identities[-1]))
                if isinstance(source, Store) and source not in identities:
                    self.spare = source
                source, pending = identities.pop(), []
        self.spare = None
        if result is not None:
            self._sweep(source, pending, result)
        self.progress(1.0)
        return statistics

    def _keep(
        self, source: Source, layers: Sequence[Region], identities: Sequence[Store], moments: Moments | None = None
    ) -> Store:
        """Compute all of the output of layers into a store: in place, into one that is free, or into a new one."""
        size = Path(layers, source.size).sizes[-1]
        spare, self.spare = self.spare, None
        if isinstance(source, Store) and source not in identities and source.size == size:
            target = source
        elif spare is not None and spare.size == size:
            target = spare
        else:
            del spare
            target = self.make_store(size)
        self._sweep(source, layers, target, moments)
        return target

    def _sweep(
        self, source: Source, layers: Sequence[Region], sink: Sink | None, moments: Moments | None = None
    ) -> None:
        """Compute all of the output of layers, put it into a sink, and its moments as rounded there into others."""
        path = Path(layers, source.size)
        _, h, w = path.sizes[-1]
        scale = h / self.photo.size[1], w / self.photo.size[2]
        if isinstance(sink, Result):
            h, w = sink.pixels.shape[1:]
        reader: Photo | Store | Window = Window(source) if isinstance(source, Store) and sink is source else source
        for rows in self._spans(h, scale[0]):
            if isinstance(reader, Window):
                (first, last), _ = path.needs((rows, (0, 1)))
                reader.move((min(first, rows[0]), max(last, rows[1])))
            for columns in self._spans(w, scale[1]):
                want = rows, columns
                have = path.needs(want)
                y = path(reader.read(have), have, want)
                if sink is not None:
                    y = sink.write(want, y)
                if moments is not None:
                    moments.add(y)
                self.done += path.work * y.shape[-2] * y.shape[-1] / (h * w)
                self.progress(min(1.0, self.done / max(1, self.plan.work)))
            for each in (source, sink):
                if isinstance(each, Sink):
                    each.release()

    def _spans(self, length: int, scale: float) -> list[Span]:
        """Spans of about equal length, not longer than a tile."""
        count = -(-length // max(1, int(self.tile * scale)))
        return [(index * length // count, (index + 1) * length // count) for index in range(count)]
