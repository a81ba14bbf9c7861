"""Templates of the self-contained pages: files of this package, with hashes for their policy."""

from __future__ import annotations

import base64
import hashlib
from importlib import resources
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jinja2 import Environment, Template


def packaged(package: str, name: str) -> str:
    """The text of a file in a package."""
    return resources.files(package).joinpath(name).read_text(encoding="utf-8")


def inline_hash(text: str) -> str:
    """What a Content-Security-Policy calls an inline script or style, without quotes."""
    digest = hashlib.sha256(text.encode("utf-8")).digest()
    return f"sha256-{base64.b64encode(digest).decode('ascii')}"


def page_environment(trim_blocks: bool) -> Environment:
    """Templates that escape everything, and in which a name that is missing is an error."""
    from jinja2 import Environment, StrictUndefined

    return Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=trim_blocks)


def scripted_template(page: str, script: str, style: str) -> Template:
    """A page with a script and a style in it, and data that the script reads.

    All three are texts of files of this package: nothing in them is a stranger's.
    """
    from markupsafe import Markup

    environment = page_environment(trim_blocks=False)
    environment.policies["json.dumps_kwargs"] = {"separators": (",", ":"), "ensure_ascii": True}
    environment.globals.update(
        script=Markup(script), style=Markup(style), script_hash=inline_hash(script)
    )
    return environment.from_string(page)
