"""What is said of a pack's config, and when: nothing of one that nobody wrote, until somebody needs it."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest

from st_ops.errors import ExpressionError
from st_ops.expressions.jinja import Templates
from st_ops.model.resources import Pack
from st_ops.packs.catalog import Catalog
from st_ops.packs.configs import Configs
from st_ops.store import migrate, registry
from st_ops.store.database import Database

SCHEMA = {
    "image_id": {"type": "string", "required": True},
    "size": {"type": "string", "default": "small"},
}


@pytest.fixture
def configs(tmp_path: Path) -> Configs:
    database = Database(f"sqlite:///{tmp_path / 'store.db'}")
    migrate.upgrade(database)
    with database.write() as tx:
        registry.put_pack(tx, Pack(ref="web", name="web", path=str(tmp_path), config_schema=SCHEMA), "", [])
    catalog = Catalog(database)
    catalog.current()
    return Configs(catalog, tmp_path / "configs", lambda scope, name, *, decrypt: None)


def test_a_config_that_nobody_wrote_is_not_warned_of(configs: Configs, caplog: pytest.LogCaptureFixture):
    with caplog.at_level(logging.WARNING, "st_ops"):
        assert configs("web") == {"size": "small"}
        assert configs("unknown") == {}
    assert caplog.text == ""


def test_a_config_that_somebody_wrote_is_held_against_its_schema(
    configs: Configs, caplog: pytest.LogCaptureFixture
):
    file = configs.file("web")
    file.parent.mkdir()
    file.write_text("size: large\n")
    with caplog.at_level(logging.WARNING, "st_ops"):
        assert configs("web")["size"] == "large"
    assert f"{file}" in caplog.text
    assert "needs the key 'image_id'" in caplog.text


def test_a_template_that_needs_a_missing_key_says_where_to_set_it(configs: Configs):
    templates, file = Templates(), configs.file("web")
    names = {"config_context": configs("web")}
    said = f"The config of pack 'web' has no key 'image_id': set it in {file}, which does not exist yet."
    for template in ("{{ config_context.image_id }}", "ami: {{ config_context['image_id'] | upper }}"):
        with pytest.raises(ExpressionError) as failed:
            templates.value(template, names)
        assert said in str(failed.value)
    assert templates.value("{{ config_context.image_id | default('none') }}", names) == "none"
    assert templates.value("{{ config_context }}", names) == {"size": "small"}
    with pytest.raises(ExpressionError, match="'dict object' has no attribute 'image_id'"):
        templates.value("{{ other.image_id }}", {"other": {}})
