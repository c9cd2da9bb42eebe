"""What a Linux program or library says of the machines that can load it: their architecture, and the least glibc. Pure: bytes in, facts out.

Read is what the loader reads, the program headers and the dynamic section; section headers may have been stripped away.
"""

import re
import struct
from collections.abc import Iterator
from typing import Final

MAGIC: Final = b"\x7fELF"
_MACHINES: Final = {62: "x86_64", 183: "aarch64"}
_LOAD, _DYNAMIC = 1, 2
_STRTAB, _VERNEED, _VERNEEDNUM = 5, 0x6FFFFFFE, 0x6FFFFFFF
_GLIBC: Final = re.compile(rb"GLIBC_(\d{1,3})\.(\d{1,3})(?:\.\d{1,3})?")
#: Marks of the loader that are no versions: with compact relocations, which it knows from that version on.
_MARKS: Final = {b"GLIBC_ABI_DT_RELR": (2, 36)}
#: A file that names more is made to keep its reader busy.
_MOST = 10_000

Version = tuple[int, int]


class Elf:
    """A file of 64 bits, little end first. Raises ValueError where it is not one, or does not hold what it says."""

    def __init__(self, data: bytes) -> None:
        if data[:6] != MAGIC + b"\x02\x01":
            raise ValueError("not an ELF file of 64 bits with the little end first")
        self._data = data
        self.arch = _MACHINES.get(self._read("<H", 18)[0])
        place, size, number = self._read("<Q", 32)[0], *self._read("<HH", 54)
        headers = [self._read("<IIQQQQQQ", place + size * one) for one in range(number)]
        self._loads = [
            (address, offset, length) for kind, _, offset, address, _, length, _, _ in headers if kind == _LOAD
        ]
        self._dynamic = next(
            ((offset, length) for kind, _, offset, _, _, length, _, _ in headers if kind == _DYNAMIC), None
        )

    def needed_glibc(self) -> Version | None:
        """The least glibc that has every symbol it asks for; None where it asks for none."""
        return max((version for name in self._needed() if (version := _version(name))), default=None)

    def _needed(self) -> Iterator[bytes]:
        """The names of versions that are asked of libraries."""
        entries = dict(self._entries())
        if not {_STRTAB, _VERNEED, _VERNEEDNUM} <= entries.keys():
            return
        texts, place = self._offset(entries[_STRTAB]), self._offset(entries[_VERNEED])
        for _ in range(min(entries[_VERNEEDNUM], _MOST)):
            _, number, _, first, following = self._read("<HHIII", place)
            yield from self._names(place + first, number, texts)
            if following == 0:
                return
            place += following

    def _names(self, place: int, number: int, texts: int) -> Iterator[bytes]:
        for _ in range(min(number, _MOST)):
            _, _, _, name, following = self._read("<IHHII", place)
            yield self._data[texts + name : self._data.index(b"\0", texts + name)]
            if following == 0:
                return
            place += following

    def _entries(self) -> Iterator[tuple[int, int]]:
        if self._dynamic is not None:
            offset, length = self._dynamic
            for place in range(offset, offset + min(length, 16 * _MOST), 16):
                tag, value = self._read("<QQ", place)
                yield tag, value

    def _offset(self, address: int) -> int:
        """Where in the file lies what is loaded at an address."""
        for begin, offset, length in self._loads:
            if begin <= address < begin + length:
                return address - begin + offset
        raise ValueError("names an address that is not loaded")

    def _read(self, form: str, offset: int) -> tuple[int, ...]:
        try:
            return struct.unpack_from(form, self._data, offset)
        except (struct.error, OverflowError):
            raise ValueError("is cut off") from None


def _version(name: bytes) -> Version | None:
    if name in _MARKS:
        return _MARKS[name]
    found = _GLIBC.fullmatch(name)
    return (int(found[1]), int(found[2])) if found else None
