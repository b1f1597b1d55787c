"""Uploads a file as one client of S3 does it: ``upload.py CLIENT BUCKET KEY FILE [ENCRYPTION]``.

Runs in the clients' own environment, as whom the environment variables say. Prints nothing if S3 took it;
ends with another status if S3 refused it.
"""

# ruff: noqa: PLC0415 - each client is imported by itself: together they take seconds

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

ENDPOINT = os.environ["AWS_ENDPOINT_URL"]
REGION = os.environ["AWS_REGION"]


def boto3_put(bucket: str, key: str, file: str, encryption: str) -> None:
    import boto3

    more = {"ServerSideEncryption": encryption} if encryption else {}
    boto3.client("s3").put_object(Bucket=bucket, Key=key, Body=Path(file).read_bytes(), **more)


def boto3_crt(bucket: str, key: str, file: str, encryption: str) -> None:
    """The transfer client of boto3[crt]; boto3 itself does not pass it the CA certificate."""
    import botocore.session
    from s3transfer import crt

    session = botocore.session.get_session()
    credentials = crt.BotocoreCRTCredentialsWrapper(session.get_credentials())
    client = crt.create_s3_crt_client(
        REGION,
        crt_credentials_provider=credentials.to_crt_credentials_provider(),
        verify=os.environ["AWS_CA_BUNDLE"],
    )
    where = {"region_name": REGION, "endpoint_url": ENDPOINT}
    more = {"ServerSideEncryption": encryption} if encryption else {}
    with crt.CRTTransferManager(client, crt.BotocoreCRTRequestSerializer(session, where)) as manager:
        manager.upload(file, bucket, key, extra_args=more).result()


def rclone(bucket: str, key: str, file: str, encryption: str) -> None:
    remote = f":s3,provider=Other,env_auth=true,endpoint='{ENDPOINT}',region={REGION}"
    remote += ",force_path_style=true,no_check_bucket=true,no_head=true"
    remote += f",server_side_encryption='{encryption}'" if encryption else ""
    command = [
        "copyto",
        "--s3-no-head-object",
        "--no-check-dest",
        "--retries=1",
        "--low-level-retries=1",
        file,
    ]
    program = Path(sys.executable).with_name("rclone")
    subprocess.run([program, *command, f"{remote}:{bucket}/{key}"], check=True)


def rclone_copy(bucket: str, key: str, file: str, encryption: str) -> None:
    del encryption
    remote = f":s3,provider=Other,env_auth=true,endpoint='{ENDPOINT}',region={REGION},force_path_style=true"
    program = Path(sys.executable).with_name("rclone")
    subprocess.run([program, "copyto", "--retries=1", file, f"{remote}:{bucket}/{key}"], check=True)


def s3fs_put_file(bucket: str, key: str, file: str, encryption: str) -> None:
    import s3fs

    more = {"ServerSideEncryption": encryption} if encryption else {}
    files = s3fs.S3FileSystem(endpoint_url=ENDPOINT, s3_additional_kwargs=more)
    files.put_file(file, f"{bucket}/{key}")


def s3fs_pipe_file(bucket: str, key: str, file: str, encryption: str) -> None:
    import s3fs

    more = {"ServerSideEncryption": encryption} if encryption else {}
    files = s3fs.S3FileSystem(endpoint_url=ENDPOINT, s3_additional_kwargs=more)
    files.pipe_file(f"{bucket}/{key}", Path(file).read_bytes())


def s3fs_put(bucket: str, key: str, file: str, encryption: str) -> None:
    import s3fs

    more = {"ServerSideEncryption": encryption} if encryption else {}
    s3fs.S3FileSystem(endpoint_url=ENDPOINT, s3_additional_kwargs=more).put(file, f"{bucket}/{key}")


def s3fs_open(bucket: str, key: str, file: str, encryption: str) -> None:
    import s3fs

    more = {"ServerSideEncryption": encryption} if encryption else {}
    files = s3fs.S3FileSystem(endpoint_url=ENDPOINT, s3_additional_kwargs=more)
    with files.open(f"{bucket}/{key}", "wb") as target:
        target.write(Path(file).read_bytes())


def s3cmd(bucket: str, key: str, file: str, encryption: str) -> None:
    where = urlsplit(ENDPOINT).netloc
    command = ["--config=/dev/null", f"--host={where}", f"--host-bucket={where}", "--no-ssl", "--no-progress"]
    command += ["--multipart-chunk-size-mb=5"]  # in parts from there on, of which it is 15 by default
    command += [f"--region={REGION}", f"--access_key={os.environ['AWS_ACCESS_KEY_ID']}"]
    command += [f"--secret_key={os.environ['AWS_SECRET_ACCESS_KEY']}"]
    command += [f"--access_token={os.environ['AWS_SESSION_TOKEN']}"]
    command += ["--server-side-encryption"] if encryption else []
    program = Path(sys.executable).with_name("s3cmd")
    subprocess.run([sys.executable, program, *command, "put", file, f"s3://{bucket}/{key}"], check=True)


def obstore(bucket: str, key: str, file: str, encryption: str) -> None:
    from obstore import put
    from obstore.store import S3Store

    more = {"server_side_encryption": encryption} if encryption else {}
    options = {"allow_http": True}
    store = S3Store(bucket, endpoint=ENDPOINT, region=REGION, client_options=options, config=more)
    put(store, key, Path(file))


def minio(bucket: str, key: str, file: str, encryption: str) -> None:
    from minio import Minio
    from minio.sse import SseS3

    where = urlsplit(ENDPOINT)
    client = Minio(
        where.netloc,
        access_key=os.environ["AWS_ACCESS_KEY_ID"],
        secret_key=os.environ["AWS_SECRET_ACCESS_KEY"],
        session_token=os.environ.get("AWS_SESSION_TOKEN"),
        secure=where.scheme == "https",
        region=REGION,
    )
    client.fput_object(bucket, key, file, sse=SseS3() if encryption else None)


CLIENTS: dict[str, Callable[[str, str, str, str], None]] = {
    "boto3": boto3_put,
    "boto3[crt]": boto3_crt,
    "rclone": rclone,
    "rclone, as it comes": rclone_copy,
    "s3fs, put_file": s3fs_put_file,
    "s3fs, pipe_file": s3fs_pipe_file,
    "s3fs, put": s3fs_put,
    "s3fs, open": s3fs_open,
    "s3cmd put": s3cmd,
    "obstore": obstore,
    "minio": minio,
}

if __name__ == "__main__":
    name, *place = sys.argv[1:]
    CLIENTS[name](*place, *[""] * (4 - len(place)))
