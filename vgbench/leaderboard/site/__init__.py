"""The leaderboard as one self-contained page: `vgbench leaderboard site`."""

from __future__ import annotations

from vgbench.leaderboard.site.writing import render_site, write_site

__all__ = ["render_site", "write_site"]
