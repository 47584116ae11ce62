"""A Debian mirror of a few small packages, on this machine: what it was asked for, and when it has to stall."""

from __future__ import annotations

import hashlib
import io
import tarfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Self

GUEST = ("pool/p/libone_1_arm64.deb", "pool/p/python_1_arm64.deb")
EMULATORS = {"emulator": "pool/q/qemu-user_7.2+x_amd64.deb", "emulator-sme": "pool/q/qemu-user_11.1.3+x_amd64.deb"}


def package(name: str, files: dict[str, str]) -> bytes:
    """A Debian package: an ``ar`` archive with the files in its ``data.tar.gz``."""
    data = io.BytesIO()
    with tarfile.open(fileobj=data, mode="w:gz") as archive:
        for path, content in files.items():
            member = tarfile.TarInfo(path)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content.encode()))
    members = {"debian-binary": b"2.0\n", "data.tar.gz": data.getvalue()}
    found = b"!<arch>\n"
    for part, held in members.items():
        found += f"{part:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(held):<10}`\n".encode() + held
        found += b"\n" * (len(held) % 2)
    return found


PACKAGES = {
    GUEST[0]: package("libone", {"./lib/one": "1"}),
    GUEST[1]: package("python", {"./usr/bin/python3.11": "python"}),
} | {
    path: package("qemu", {"./usr/bin/qemu-aarch64": path, "./usr/bin/qemu-m68k": "not wanted"})
    for path in EMULATORS.values()
}


class Mirror:
    """Serves :data:`PACKAGES`; ``asked`` are the paths in the order of the requests."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.content = dict(PACKAGES)
        self.stalls: set[str] = set()
        self.asked_for_stalled = threading.Event()
        mirror = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                path = self.path.removeprefix("/debian/")
                mirror.asked.append(path)
                if path in mirror.stalls:
                    self.send_response(200)
                    self.send_header("Content-Length", "1000000")
                    self.end_headers()
                    self.wfile.write(b"x" * 1000)
                    mirror.asked_for_stalled.set()
                    mirror.over.wait()
                elif path in mirror.content:
                    self.send_response(200)
                    self.send_header("Content-Length", str(len(mirror.content[path])))
                    self.end_headers()
                    self.wfile.write(mirror.content[path])
                else:
                    self.send_error(404)

            def log_message(self, *_: object) -> None:
                pass

        self.over = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self._server.server_port}/debian"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.over.set()
        self._server.shutdown()
        self._server.server_close()

    def lists(self, folder: Path) -> Path:
        """Write what takes the place of ``packages.toml``, with the digests of :data:`PACKAGES`."""
        tables = {"guest": GUEST} | {name: (path,) for name, path in EMULATORS.items()}
        lines = []
        for table, paths in tables.items():
            lines.append(f"[{table}]")
            lines += [f'"{path}" = "{hashlib.sha256(PACKAGES[path]).hexdigest()}"' for path in paths]
        file = folder / "packages.toml"
        file.write_text("\n".join(lines), encoding="utf-8")
        return file
