"""Files that are sent: whole, or the part that is asked for, so that a download that broke off is
gone on with (RFC 9110, 13.1.5 and 14)."""

import os
import re
from typing import Any, BinaryIO

from django.http import FileResponse, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

BLOCK = 64 * 1024
ONE_RANGE = re.compile(r"bytes=(\d{0,18})-(\d{0,18})", re.ASCII)


class SentFile(FileResponse):
    block_size = BLOCK


class Part:
    """The next `left` bytes of a file."""

    def __init__(self, file: BinaryIO, left: int) -> None:
        self.file, self.left = file, left

    def read(self, size: int) -> bytes:
        block = self.file.read(min(size, self.left))
        self.left -= len(block)
        return block

    def close(self) -> None:
        self.file.close()


def send_file(
    request: HttpRequest,
    file: BinaryIO,
    name: str,
    content_type: str,
    tag: str,
    headers: dict[str, str] | None = None,
) -> HttpResponseBase:
    """`tag` is the same as long as the bytes are: their hash, or one of what they are made from.

    Of several parts asked for at once the whole is sent, as is allowed.
    """
    size = file.seek(0, os.SEEK_END)
    known = {"Accept-Ranges": "bytes", "ETag": f'"{tag}"', **(headers or {})}
    part = asked_part(request, size, known["ETag"])
    if part is not None and not part:
        file.close()
        return HttpResponse(status=416, headers={**known, "Content-Range": f"bytes */{size}"})
    file.seek(part.start if part else 0)
    content: Any = Part(file, len(part)) if part else file
    response = SentFile(
        content, as_attachment=True, filename=name, content_type=content_type, headers=known
    )
    response["Content-Length"] = str(len(part) if part else size)
    if part:
        response.status_code = 206
        response["Content-Range"] = f"bytes {part.start}-{part.stop - 1}/{size}"
    return response


def asked_part(request: HttpRequest, size: int, tag: str) -> range | None:
    """The places of the bytes that are asked for; none of them where the file has none there, and
    None where it is the whole that is wanted, or another file was begun with."""
    found = ONE_RANGE.fullmatch(request.headers.get("Range", "").replace(" ", ""))
    if request.method != "GET" or not found or request.headers.get("If-Range", tag) != tag:
        return None
    first, last = found.groups()
    if not first:
        return range(max(0, size - int(last)), size) if last else None
    if last and int(last) < int(first):
        return None
    return range(int(first), min(int(last) + 1, size) if last else size)
