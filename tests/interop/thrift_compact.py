"""Reads Thrift's compact protocol into plain values, and nothing else: a struct is a dict by field number. What
parquet_judge.py reads footers, page headers and indexes with, so that no library that Moraine uses judges its own work."""
import struct


class Reader:
    def __init__(self, data: bytes, position: int = 0):
        self.data, self.position = data, position

    def byte(self) -> int:
        self.position += 1
        return self.data[self.position - 1]

    def varint(self) -> int:
        value = shift = 0
        while True:
            byte = self.byte()
            value |= (byte & 0x7F) << shift
            if byte < 0x80:
                return value
            shift += 7
            if shift > 70:
                raise ValueError(f"a number without an end at byte {self.position}")

    def zigzag(self) -> int:
        value = self.varint()
        return (value >> 1) ^ -(value & 1)

    def take(self, size: int) -> bytes:
        if self.position + size > len(self.data):
            raise ValueError(f"{size} bytes wanted at byte {self.position} of {len(self.data)}")
        self.position += size
        return self.data[self.position - size:self.position]

    def value(self, kind: int):
        if kind in (1, 2):
            return kind == 1
        if kind == 3:
            return int.from_bytes(self.take(1), "little", signed=True)
        if kind in (4, 5, 6):
            return self.zigzag()
        if kind == 7:
            return struct.unpack("<d", self.take(8))[0]
        if kind == 8:
            return self.take(self.varint())
        if kind in (9, 10):
            return self.list()
        if kind == 12:
            return self.struct()
        raise ValueError(f"a value of kind {kind} at byte {self.position}")

    def list(self) -> list:
        head = self.byte()
        size, kind = head >> 4, head & 0x0F
        if size == 15:
            size = self.varint()
        if kind in (1, 2):  # booleans of a list are a byte each
            return [self.byte() == 1 for _ in range(size)]
        return [self.value(kind) for _ in range(size)]

    def struct(self) -> dict:
        fields, number = {}, 0
        while head := self.byte():
            number = number + (head >> 4) if head >> 4 else self.zigzag()
            if number in fields:
                raise ValueError(f"field {number} twice before byte {self.position}")
            fields[number] = self.value(head & 0x0F)
        return fields


def named(fields: dict, names: dict[int, str]) -> dict:
    """By the names of the fields; fields without one are left out."""
    return {name: fields[number] for number, name in names.items() if number in fields}
