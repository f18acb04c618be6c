"""Throw-away remotes: `servers.py sftp USER PASSWORD DELAY` and `servers.py s3`.

Each prints its port and serves 127.0.0.1 until it is killed. DELAY: seconds before every write.
"""

from __future__ import annotations

import asyncio
import sys
import time
from typing import Any


async def sftp(user: str, password: str, delay: float) -> None:
    """An SSH server that knows one password and SFTP alone; files as on this machine."""
    import asyncssh

    class Door(asyncssh.SSHServer):
        def password_auth_supported(self) -> bool:
            return True

        def validate_password(self, username: str, given: str) -> bool:
            return (username, given) == (user, password)

    class Slow(asyncssh.SFTPServer):
        async def write(self, file_obj: Any, offset: int, data: bytes) -> int:
            await asyncio.sleep(delay)
            return super().write(file_obj, offset, data)

    key = asyncssh.generate_private_key("ssh-ed25519")
    server = await asyncssh.create_server(
        Door, "127.0.0.1", 0, server_host_keys=[key], sftp_factory=Slow
    )
    print(server.get_port(), flush=True)
    await server.wait_closed()


def s3() -> None:
    """moto's S3 in memory."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", port=0, verbose=False)
    server.start()
    print(server.get_host_and_port()[1], flush=True)
    time.sleep(10**6)


if __name__ == "__main__":
    if sys.argv[1] == "sftp":
        asyncio.run(sftp(sys.argv[2], sys.argv[3], float(sys.argv[4])))
    else:
        s3()
