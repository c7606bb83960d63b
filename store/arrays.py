"""What one kind of array is: the word that store/schema.py is written in."""

from dataclasses import dataclass

CHUNK_VALUES = 32_768  # about what one read should decode; smaller chunks cost more in Python than in bytes


@dataclass(frozen=True)
class Array:
    """One kind of array: the names of its dimensions, numpy type, what its values mean."""

    dimensions: tuple[str, ...]
    dtype: str
    meaning: str
    chunked: str = ""  # dimension cut further inside a shard, so that few images can be read alone
    chunk_values: int = CHUNK_VALUES
