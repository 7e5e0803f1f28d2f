#!/usr/bin/env python3
"""Send a mail through sendmail: SENDMAIL FROM TO SUBJECT SEND_EMPTY CONTENT_TYPE BODY ATTACHMENTS."""

from __future__ import annotations

import mimetypes
import shlex
import shutil
import socket
import subprocess
import sys
from email.message import EmailMessage
from pathlib import Path


def compose(
    sender: str, to: str, subject: str, content_type: str, body: str, attachments: str
) -> EmailMessage:
    message = EmailMessage()
    message["From"] = sender if "@" in sender else f"{sender}@{socket.getfqdn()}"
    message["To"] = to
    message["Subject"] = subject
    message.set_content(body, subtype=content_type.partition("/")[2] or "plain")
    for name in filter(None, (part.strip() for part in attachments.split(","))):
        path = Path(name)
        if not path.is_file():
            print(f"Warning: there is no file {path} to attach; it is left out.", file=sys.stderr)
            continue
        kind = (mimetypes.guess_type(path.name)[0] or "application/octet-stream").split("/")
        message.add_attachment(path.read_bytes(), maintype=kind[0], subtype=kind[1], filename=path.name)
    return message


def sendmail_command(given: str) -> list[str]:
    if given not in ("None", ""):
        command = shlex.split(given)
        return command if len(command) > 1 else [*command, "-t"]
    found = shutil.which("sendmail", path="/usr/sbin:/usr/lib:/usr/bin:/sbin") or shutil.which("sendmail")
    if not found:
        sys.exit("There is no sendmail program on PATH; install one, or name it in sendmail_binary.")
    return [found, "-t"]


def main(arguments: list[str]) -> None:
    binary, sender, to, subject, send_empty, content_type, body, attachments = [*arguments, "", ""][:8]
    if not body.strip() and send_empty in ("0", ""):
        print("Nothing to send")
        return
    message = compose(sender, to, subject, content_type, body, attachments)
    done = subprocess.run(sendmail_command(binary), input=message.as_bytes(), check=False)
    if done.returncode != 0:
        print(f"Failed to send mail to {to}", file=sys.stderr)
        sys.exit(2)
    print(f"Successfully sent mail to {to}")


if __name__ == "__main__":
    main(sys.argv[1:])
