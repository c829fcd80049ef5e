"""The part of each batch that one of several processes computes."""

from itertools import pairwise


class Share:
    """Contiguous parts of batches, as even as can be: the r-th of them belongs to process r.

    `take` is called for each batch and leaves in `begin`, `count` and `images` where the part
    begins, how many images it has, and how many the whole batch has.

    Args:
        rank: the number of the process, from 0.
        size: how many processes there are.

    Examples:
        >>> share = Share(1, 2)
        >>> share.take(5)
        slice(2, 5, None)
        >>> share.weight
        0.6
    """

    def __init__(self, rank: int, size: int) -> None:
        self.rank, self.size = rank, size
        self.begin = self.count = self.images = 0

    def take(self, images: int) -> slice:
        """The part of a batch of so many images. Where there are fewer of them than processes, one
        without an image computes another's, with a weight of 0.
        """
        begin, end = (images * place // self.size for place in (self.rank, self.rank + 1))
        self.begin, self.count, self.images = min(begin, images - 1), end - begin, images
        return slice(self.begin, max(end, self.begin + 1))

    @property
    def weight(self) -> float:
        """This part's in the mean over the batch: its share of the images."""
        return self.count / self.images

    @property
    def counts(self) -> list[int]:
        """Images in the part of each process."""
        ends = [self.images * place // self.size for place in range(self.size + 1)]
        return [end - begin for begin, end in pairwise(ends)]
