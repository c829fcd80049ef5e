"""Files made to do harm: each by a function of a file of ours, to stand in its place."""

import gzip
import io
import json
import pickle
import stat
import struct
import tarfile
import warnings
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np


class Bomb:
    """Unpickled, it leaves a mark."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self):
        return Path.touch, (self.mark,)


Make = Callable[[bytes, Path], bytes]
"""From the content of the true file, and a path at which harm would show, to the content of the
hostile one.
"""

DEEP = b"[" * 200_000 + b"]" * 200_000


def truncated(part: int) -> Make:
    return lambda content, mark: content[: len(content) * part // 10]


def flipped(content: bytes, mark: Path) -> bytes:
    middle = len(content) // 2
    return (
        content[:middle]
        + bytes(byte ^ 255 for byte in content[middle : middle + 64])
        + content[middle + 64 :]
    )


def noise(content: bytes, mark: Path) -> bytes:
    return np.random.default_rng(0).bytes(5000)


def pickled(content: bytes, mark: Path) -> bytes:
    return pickle.dumps(Bomb(mark))


def zipped(**others: bytes) -> Make:
    """The archive with members added or replaced; "__" in a name stands for a slash, a leading "_"
    for one too.
    """

    def make(content: bytes, mark: Path) -> bytes:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
        return _zip({**members, **{name.replace("|", "/"): text for name, text in others.items()}})

    return make


def symlink(content: bytes, mark: Path) -> bytes:
    out = io.BytesIO(content)
    with zipfile.ZipFile(out, "a") as archive:
        entry = zipfile.ZipInfo("config.json.link")
        entry.external_attr = (stat.S_IFLNK | 0o777) << 16
        archive.writestr(entry, "/etc/passwd")
    return out.getvalue()


def twice(content: bytes, mark: Path) -> bytes:
    out = io.BytesIO(content)
    with zipfile.ZipFile(out, "a") as archive, warnings.catch_warnings(action="ignore"):
        archive.writestr("config.json", "{}")
    return out.getvalue()


def inflating(name: str) -> Make:
    """One member of two gigabytes of zeros, in a few kilobytes of archive."""

    def make(content: bytes, mark: Path) -> bytes:
        packer = zlib.compressobj(9, zlib.DEFLATED, -15)
        part = packer.compress(bytes(2**24)) + packer.flush(zlib.Z_FULL_FLUSH)
        packed = 128 * part + packer.flush()  # a part after a full flush refers to none before it
        encoded, size = name.encode(), 2**31 - 1
        fields = struct.pack("<HHHHHIIIHH", 20, 0, 8, 0, 33, 0, len(packed), size, len(encoded), 0)
        local = b"PK\3\4" + fields + encoded + packed
        central = b"PK\1\2\x14\0" + fields + struct.pack("<HHHII", 0, 0, 0, 0, 0) + encoded
        return local + central + b"PK\5\6" + struct.pack("<HHHHIIH", 0, 0, 1, 1, len(central), len(local), 0)

    return make


def config(change: Callable[[dict], None]) -> Make:
    """The model file with another config."""

    def make(content: bytes, mark: Path) -> bytes:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
        found = json.loads(members["config.json"])
        change(found)
        return _zip({**members, "config.json": json.dumps(found).encode()})

    return make


def _layer(class_name: str, module: str = "keras.layers", **settings: object) -> Make:
    return config(
        lambda found: found["config"]["layers"].append(
            {"module": module, "class_name": class_name, "config": settings, "name": "x"}
        )
    )


def weights(change: Callable[[h5py.File, Path], None]) -> Make:
    """The model file with other weights."""

    def make(content: bytes, mark: Path) -> bytes:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
        out = io.BytesIO(members["model.weights.h5"])
        with h5py.File(out, "r+") as file:
            change(file, mark)
        return _zip({**members, "model.weights.h5": out.getvalue()})

    return make


def _replace(name: str, **settings: object) -> Make:
    def change(file: h5py.File, mark: Path) -> None:
        del file[name]
        file.create_dataset(name, **settings)

    return weights(change)


def npy(header: str, body: bytes = b"") -> Make:
    """An array file whose header says what it likes."""

    def make(content: bytes, mark: Path) -> bytes:
        text = header.encode() + b"\n"
        return b"\x93NUMPY\1\0" + struct.pack("<H", len(text)) + text + body

    return make


def object_array(content: bytes, mark: Path) -> bytes:
    out = io.BytesIO()
    np.save(out, np.array([Bomb(mark)], dtype=object), allow_pickle=True)
    return out.getvalue()


def checkpoint(member: Make) -> Make:
    """A checkpoint whose first array is such a file."""
    return lambda content, mark: zipped(**{"array0.npy": member(b"", mark)})(content, mark)


def png(width: int, height: int, depth: int = 8) -> Make:
    def make(content: bytes, mark: Path) -> bytes:
        def chunk(kind: bytes, data: bytes) -> bytes:
            return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

        header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, 0, 0, 0, 0))
        return (
            b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
        )

    return make


def tiff(width: int, height: int) -> Make:
    """A grey page of that size, whose pixels are a few zeros."""
    entries = [(256, 4, width), (257, 4, height), (258, 3, 8), (259, 3, 1), (262, 3, 1), (273, 4, 120)]
    entries += [(277, 3, 1), (278, 4, height), (279, 4, width * height % 2**32)]
    page = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in entries)
    content = b"II*\0" + struct.pack("<IH", 8, len(entries)) + page + bytes(500)
    return lambda true, mark: content


def _zip(members: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return out.getvalue()


KERNEL = "layers/functional/layers/dense/vars/0"
HUGE = "{'descr': '<f4', 'fortran_order': False, 'shape': (%s,)}"

TRUNCATED: dict[str, Make] = {f"truncated to {part} tenths": truncated(part) for part in range(10)}
MODEL: dict[str, Make] = {
    **TRUNCATED,
    "flipped": flipped,
    "noise": noise,
    "pickle": pickled,
    "hdf5 alone": lambda content, mark: zipfile.ZipFile(io.BytesIO(content)).read("model.weights.h5"),
    "path traversal": zipped(**{"..|..|escaped.txt": b"x"}),
    "absolute path": zipped(**{"|escaped.txt": b"x"}),
    "look-alike name": zipped(**{"c\u043enfig.json": b"{}"}),
    "name that turns": zipped(**{"config\u202enosj.": b"{}"}),
    "archive in archive": zipped(**{"inner.keras": _zip({"config.json": b"{}"})}),
    "symbolic link": symlink,
    "member twice": twice,
    "zip bomb": inflating("config.json"),
    "deep config": zipped(**{"config.json": DEEP}),
    "config no object": zipped(**{"config.json": b"7"}),
    "config no text": zipped(**{"config.json": b"\xff\xfe"}),
    "another name": config(lambda found: found["config"].update(name="../../etc")),
    "Lambda": _layer("Lambda", function={"class_name": "__lambda__", "config": {"code": "4wEAAAA="}}),
    "TorchModuleWrapper": _layer("TorchModuleWrapper", module="keras.layers"),
    "foreign class": _layer("system", module="os"),
    "registered class": _layer("Custom>Evil", module=None),
    "TFSMLayer": _layer("TFSMLayer", filepath="escaped"),
    "external link": weights(
        lambda file, mark: file.__setitem__("elsewhere", h5py.ExternalLink("/etc/passwd", "/"))
    ),
    "soft link": weights(lambda file, mark: file.__setitem__("elsewhere", h5py.SoftLink("/layers"))),
    "loop of groups": weights(lambda file, mark: file["layers"].__setitem__("again", file["layers"])),
    "external data": _replace(
        KERNEL, shape=(784, 128), dtype="f4", external=[("/etc/passwd", 0, h5py.h5f.UNLIMITED)]
    ),
    "giant weights": _replace(KERNEL, shape=(2**40,), dtype="f4", chunks=(1024,)),
    "compressed weights": _replace(KERNEL, data=np.zeros((784, 128), "f4"), compression="gzip"),
    "weights of another shape": _replace(KERNEL, data=np.zeros((128, 784), "f4")),
    "weights as text": _replace(KERNEL, data=np.full((784, 128), b"x", "S1")),
    "weights missing": weights(lambda file, mark: file.__delitem__(KERNEL)),
}
CHECKPOINT: dict[str, Make] = {
    **{f"truncated to {part} tenths": truncated(part) for part in range(0, 10, 3)},
    "noise": noise,
    "pickle": pickled,
    "objects": checkpoint(object_array),
    "giant": checkpoint(npy(HUGE % "1099511627776")),
    "negative": checkpoint(npy(HUGE % "-5")),
    "code for a header": checkpoint(npy("__import__('os').system('true')")),
    "zip bomb": inflating("told.npy"),
    "other state": zipped(**{"array0.npy": npy(HUGE % "3", bytes(12))(b"", Path())}),
}
JSON: dict[str, Make] = {
    "deep": lambda content, mark: DEEP,
    "noise": noise,
    "empty": truncated(0),
    "half": truncated(5),
    "list": lambda content, mark: b"[1, 2]",
    "no numbers": lambda content, mark: b'{"train_mse": "1", "test_mse": []}',
}
TOML: dict[str, Make] = {
    "key of many parts": lambda content, mark: b"a." * 30_000 + b"a = 1\n",
    "deep": lambda content, mark: b"a = " + DEEP,
    "noise": noise,
    "variant that is a path": lambda content, mark: content.replace(b"mlp", b"../../mlp"),
    "name with a line": lambda content, mark: b'name = "a\\nb"\n' + content,
    "number out of range": lambda content, mark: b"limit = " + b"9" * 5000 + b"\n" + content,
    "table": lambda content, mark: b"[variant]\nx = 1\n",
}
IMAGES: dict[str, Make] = {
    **{f"truncated to {part} tenths": truncated(part) for part in range(0, 10, 3)},
    "noise": noise,
    "pickle": pickled,
    "objects": object_array,
    "giant": npy(HUGE % "1099511627776, 28, 28"),
    "negative": npy(HUGE % "-1, 28, 28"),
    "overflowing": npy(HUGE % "9223372036854775807, 9223372036854775807"),
    "code for a header": npy("__import__('os').system('true')"),
    "deep header": npy("(" * 30_000),
}
IDX: dict[str, Make] = {
    **{f"truncated to {part} tenths": truncated(part) for part in range(10)},
    "noise": noise,
    "pickle": pickled,
    "giant": lambda content, mark: struct.pack(">IIII", 2051, 2**32 - 1, 2**32 - 1, 2**32 - 1),
    "negative": lambda content, mark: struct.pack(">Iiii", 2051, -1, -28, -28),
    "no dimensions": lambda content, mark: struct.pack(">I", 2048),
    "255 dimensions": lambda content, mark: struct.pack(">I", 2048 + 255) + b"\1" * 1020,
    "floating point": lambda content, mark: struct.pack(">IIII", 0x0D03, 1, 28, 28) + bytes(28 * 28 * 4),
    "longer than it says": lambda content, mark: content + bytes(1000),
}
TABLE: dict[str, Make] = {
    "key of many parts": lambda content, mark: b"a." * 30_000 + b"a = 1\n",
    **{f"truncated to {part} tenths": truncated(part) for part in range(0, 10, 3)},
    "noise": noise,
    "deep": lambda content, mark: b"a = " + DEEP,
    "giant layer": lambda content, mark: content.replace(b"128", b"999999999999"),
    "negative size": lambda content, mark: content.replace(b"128", b"-128"),
    "number of a thousand digits": lambda content, mark: content.replace(b"128", b"1" * 1000),
    "infinite rate": lambda content, mark: content.replace(b"0.001", b"inf"),
    "name that is a path": lambda content, mark: content.replace(b'"mlp"', b'"../../mlp"'),
    "ten thousand rows": lambda content, mark: content + b'[[encoder]]\nlayer = "flatten"\n' * 10_000,
}
TIFF: dict[str, Make] = {
    "noise": noise,
    "truncated": lambda content, mark: content[:130],
    "giant": tiff(2**31 - 1, 2**31 - 1),
    "wide": tiff(60_000, 60_000),
}
PNG: dict[str, Make] = {
    "noise": noise,
    "truncated": lambda content, mark: png(28, 28)(content, mark)[:50],
    "giant": png(2**31 - 1, 2**31 - 1),
    "wide": png(60_000, 60_000),
    "16 bits": png(28, 28, 16),
    "no pixels": png(0, 28),
}


def member(flags: int = 0, method: int | None = None) -> Make:
    """The archive whose first member says other flags or another method of compression."""

    def make(content: bytes, mark: Path) -> bytes:
        found = bytearray(content)
        central = found.index(b"PK\1\2")
        for at in (6, central + 8):  # in the header of the member and in that of the directory
            struct.pack_into("<H", found, at, struct.unpack_from("<H", found, at)[0] | flags)
            if method is not None:
                struct.pack_into("<H", found, at + 2, method)
        return bytes(found)

    return make


def packed(method: int, broken: bool) -> Make:
    """The archive compressed by another method, its data whole or spoilt."""

    def make(content: bytes, mark: Path) -> bytes:
        out = io.BytesIO()
        with (
            zipfile.ZipFile(io.BytesIO(content)) as archive,
            zipfile.ZipFile(out, "w", method) as other,
        ):
            for name in archive.namelist():
                other.writestr(name, archive.read(name))
        found = bytearray(out.getvalue())
        if broken:
            found[120:180] = bytes(60)
        return bytes(found)

    return make


def many_members(content: bytes, mark: Path) -> bytes:
    return _zip({f"a{number}.npy": b"" for number in range(20_000)})


def csv(text: bytes) -> Make:
    return lambda content, mark: text


def parquet(**columns: object) -> Make:
    def make(content: bytes, mark: Path) -> bytes:
        import pyarrow
        from pyarrow.parquet import write_table

        out = io.BytesIO()
        write_table(pyarrow.table(columns), out)
        return out.getvalue()

    return make


def tar(*members: tuple[str, bytes, dict[str, object]]) -> Make:
    """An archive with these members: name, content, and what its entry says besides."""

    def make(content: bytes, mark: Path) -> bytes:
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w") as archive:
            for name, body, told in members:
                entry = tarfile.TarInfo(name)
                entry.size = len(body)
                for key, value in told.items():
                    setattr(entry, key, value)
                if entry.size == len(body):
                    archive.addfile(entry, io.BytesIO(body))
                else:  # what it promises is not there
                    archive.fileobj.write(entry.tobuf() + body.ljust(512, b"\0"))
        return out.getvalue()

    return make


def starts_with(content: bytes) -> Make:
    return lambda true, mark: content + bytes(200)


ARCHIVE: dict[str, Make] = {
    **{f"truncated to {part} tenths": truncated(part) for part in range(0, 10, 2)},
    "flipped": flipped,
    "noise": noise,
    "pickle": pickled,
    "objects": zipped(**{"images.npy": object_array(b"", Path())}),
    "no suffix": lambda content, mark: _zip({"images": b"x"}),
    "giant": lambda content, mark: _zip({"images.npy": npy(HUGE % "1099511627776, 28, 28")(b"", mark)}),
    "zip bomb": inflating("images.npy"),
    "broken LZMA": packed(zipfile.ZIP_LZMA, True),
    "broken bzip2": packed(zipfile.ZIP_BZIP2, True),
    "encrypted": member(flags=0x1),
    "patched": member(flags=0x20),
    "strongly encrypted": member(flags=0x40),
    "unknown method": member(method=99),
    "many members": many_members,
    "nothing in it": lambda content, mark: _zip({}),
    "text": lambda content, mark: _zip({"images.npy": b"text"}),
}
CSV: dict[str, Make] = {
    "empty": csv(b""),
    "noise": noise,
    "header alone": csv(b"label," + b",".join(b"p%d" % number for number in range(784)) + b"\n"),
    "zero bytes": csv(bytes(5000)),
    "text": csv(b"a,b\nx,y\n" * 50),
    "ragged": lambda content, mark: content + b"1,2,3\n",
    "no end of a quote": lambda content, mark: b'"' + content,
    "no UTF-8": lambda content, mark: content.replace(b"label", b"l\xe9bel") + b"caf\xe9" + content,
    "a long number": lambda content, mark: content.replace(b",0,", b"," + b"9" * 5000 + b",", 1),
    "infinity": lambda content, mark: content.replace(b",0,", b",inf,", 1),
    "nothing for a number": lambda content, mark: content.replace(b",0,", b",,", 1),
    "a million columns": csv(b",".join([b"1"] * 1_000_000) + b"\n"),
}
GZIP: dict[str, Make] = {
    "truncated": lambda content, mark: content[: len(content) // 2],
    "noise": noise,
    "bomb": lambda content, mark: _gzip_bomb(),
}
PARQUET: dict[str, Make] = {
    **{f"truncated to {part} tenths": truncated(part) for part in range(0, 10, 3)},
    "flipped": flipped,
    "noise": noise,
    "no rows": parquet(image=[]),
    "audio": parquet(audio=[{"bytes": b"RIFF....WAVE", "path": "a.wav"}] * 20),
    "no pictures": parquet(image=[b"not a picture"] * 20),
    "text": parquet(text=["a"] * 20),
    "ragged lists": parquet(image=[[1.0] * number for number in range(20)]),
    "giant picture": parquet(image=[png(60_000, 60_000)(b"", Path())] * 20),
}
TAR: dict[str, Make] = {
    **{f"truncated to {part} tenths": truncated(part) for part in range(0, 9, 3)},
    "noise": noise,
    "nothing in it": tar(),
    "path traversal": tar(("../../escaped.txt", b"x", {})),
    "absolute path": tar(("/escaped.txt", b"x", {})),
    "symbolic link": tar(("a.png", b"", {"type": tarfile.SYMTYPE, "linkname": "/etc/passwd"})),
    "hard link": tar(("a.png", b"", {"type": tarfile.LNKTYPE, "linkname": "/etc/passwd"})),
    "device": tar(("a.png", b"", {"type": tarfile.CHRTYPE, "devmajor": 1, "devminor": 5})),
    "pipe": tar(("a.png", b"", {"type": tarfile.FIFOTYPE})),
    "giant member": tar(("a.png", b"x", {"size": 2**40})),
    "no picture": tar(("a.png", b"x" * 100, {})),
    "wide picture": tar(("a.png", png(60_000, 60_000)(b"", Path()), {})),
}
PICTURE: dict[str, Make] = {  # of other formats, under a name that tells nothing
    "wide GIF": starts_with(
        b"GIF89a" + struct.pack("<HH", 65535, 65535) + b"\x80\0\0" + b"\0\0\0\xff\xff\xff,"
    ),
    "wide BMP": starts_with(
        b"BM" + struct.pack("<IHHIIiiHHIIiiII", 300, 0, 0, 54, 40, 2**30, 2**30, 1, 24, 0, 0, 0, 0, 0, 0)
    ),
    "wide PGM": starts_with(b"P5 999999 999999 255\n"),
    "PGM of text": starts_with(b"P2 28 28 255\nx y z\n"),
    "wide WebP": starts_with(
        b"RIFF" + struct.pack("<I", 300) + b"WEBPVP8X" + struct.pack("<II", 10, 0) + b"\xff" * 6
    ),
    "wide JPEG": starts_with(
        b"\xff\xd8\xff\xc0" + struct.pack(">HBHHB", 11, 8, 65535, 65535, 1) + b"\1\x11\0\xff\xd9"
    ),
    "JPEG of nothing": starts_with(b"\xff\xd8\xff\xe0"),
    "PostScript": starts_with(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 28 28\n(x) print quit\n"),
    "icon": starts_with(struct.pack("<HHH", 0, 1, 65535)),
    "PSD": starts_with(b"8BPS" + struct.pack(">H6sHIIHH", 1, b"", 1, 300_000, 300_000, 8, 1)),
}
SWEEP: dict[str, Make] = {
    "empty": truncated(0),
    "noise": noise,
    "deep": lambda content, mark: b"a = " + DEEP,
    "key of many parts": lambda content, mark: b"a." * 30_000 + b"a = 1\n",
    "no grid": csv(b'[settings]\nvariant = "mlp"\n'),
    "grid of nothing": csv(b"[grid]\n"),
    "too many combinations": csv(
        b"[grid]\n"
        + b"".join(
            b"%s = [%s]\n" % (name, b", ".join(b"%d" % n for n in range(1, 2000)))
            for name in (b"seed", b"epochs", b"batch_size", b"latent_dim")
        )
    ),
    "variant that is a path": csv(
        b'[settings]\nvariant = "../../mlp"\nvalidation = 64\n[grid]\nseed = [0]\n'
    ),
    "a range that goes nowhere": csv(
        b'[settings]\nvariant = "mlp"\nvalidation = 64\n[search]\ntrials = 2\n'
        b"learning_rate = {low = 1, high = 0, log = true}\n"
    ),
}


def _gzip_bomb() -> bytes:
    """A gigabyte of "0," in a megabyte."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    part = packer.compress(b"0," * 2**23) + packer.flush(zlib.Z_FULL_FLUSH)
    return gzip.compress(b"")[:10] + 64 * part + packer.flush() + bytes(8)
