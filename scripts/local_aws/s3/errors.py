"""What S3 refuses, in its own codes: "Error responses" (Amazon S3 API Reference)."""

from __future__ import annotations

from xml.sax.saxutils import escape


class S3Error(Exception):
    """A call that S3 answers with an error document. ``details`` are further elements of it."""

    def __init__(self, status: int, code: str, message: str, **details: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.details = details

    def document(self, request_id: str, host_id: str) -> bytes:
        """The answer's body."""
        elements = {"Code": self.code, "Message": self.message, **self.details}
        elements |= {"RequestId": request_id, "HostId": host_id}
        inner = "".join(f"<{name}>{escape(text)}</{name}>" for name, text in elements.items())
        return f'<?xml version="1.0" encoding="UTF-8"?>\n<Error>{inner}</Error>'.encode()


class AuthenticationError(S3Error):
    """The credentials given are not valid.

    CloudTrail does not deliver logs for such requests ("Logging options for Amazon S3", S3 User Guide).
    """


def invalid_argument(message: str, name: str, value: str = "") -> S3Error:
    """Return the error of a parameter or header that cannot be."""
    return S3Error(400, "InvalidArgument", message, ArgumentName=name, ArgumentValue=value)


def invalid_request(message: str) -> S3Error:
    """Return the error of a request that contradicts itself or lacks something."""
    return S3Error(400, "InvalidRequest", message)
