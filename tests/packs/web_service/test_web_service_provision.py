from __future__ import annotations

import os
import subprocess
from pathlib import Path

from tests.packs.pack_files import PACKS

SCRIPT = PACKS / "web_service" / "actions" / "provision.sh"


def provision(home: Path, name: str = "shop-1.shop.example") -> str:
    done = subprocess.run(
        ["/bin/sh", str(SCRIPT), "shop", name, "8080"],
        env={"HOME": str(home), "PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        check=True,
        timeout=20,
    )
    return done.stdout


def test_a_machine_is_provisioned_once_however_often_it_is_done(tmp_path: Path):
    first, again = provision(tmp_path), provision(tmp_path)

    assert first.count("wrote ") == 2
    assert (again.count("wrote "), again.count("kept ")) == (0, 2)
    assert again.endswith("shop is installed as shop-1.shop.example\n")


def test_another_name_replaces_the_files_and_leaves_no_draft(tmp_path: Path):
    provision(tmp_path)
    provision(tmp_path, "shop-2.shop.example")

    root = tmp_path / "services" / "shop"
    assert "name = shop-2.shop.example" in (root / "service.conf").read_text()
    assert (root / "www" / "health").read_text() == "ok shop-2.shop.example\n"
    assert not list(tmp_path.rglob("*.new"))
